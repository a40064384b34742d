#include "plan.h"

#include "core/roll.h"
#include "names.h"

#include <inttypes.h>

static const char *const fault_names[FAULTS] = {"cut",   "stall",     "slow", "crash",  "pause",   "join",
                                                "leave", "wall-jump", "save", "replay", "garbage", "restart"};

static uint64_t one_of(struct random *random, const uint64_t *values, size_t count) {
    return values[random_below(random, count)];
}
#define ONE_OF(random, ...)                                                                                            \
    one_of(random, (const uint64_t[]){__VA_ARGS__}, sizeof(const uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

static unsigned draw_faults(struct random *random) {
    if (random_chance(random, 1, 10)) return 0;
    unsigned faults = 0;
    for (unsigned i = 0; i < FAULTS; i++) faults |= (unsigned)random_chance(random, 2, 5) << i;
    return faults;
}

/* What is promised of a node that dies right after it acknowledged a call can be held against it only where nothing but
 * that happens. */
static void make_reliable(struct plan *plan) {
    plan->is_reliable = true;
    plan->faults = 1u << FAULT_RESTART | (plan->faults & (1u << FAULT_WALL_JUMP | 1u << FAULT_SAVE));
    plan->loss_permille = plan->sync_loss_permille = plan->duplicate_permille = 0;
    plan->is_chaotic = false;
    plan->nodes = plan->nodes_at_start;
    plan->members_max = 2 * MEMBERS;
}

struct plan plan_draw(struct random *random, bool is_large) {
    struct plan plan = {
        .nodes_at_start = (unsigned)random_between(random, 2, 5),
        .meets_all = random_chance(random, 1, 2),
        .active_ms = random_between(random, 5000, 25000),
        .late_calls_ms = random_chance(random, 1, 2) ? random_between(random, 0, 3000) : 0,
        .flush_ms = ONE_OF(random, 10, 20, 50),
        .delay_max_ms = ONE_OF(random, 1, 5, 20, 50, 150),
        .queue_frames = (unsigned)ONE_OF(random, 2, 4, 16, 16),
        .call_every_ms = ONE_OF(random, 30, 60, 120, 400, 1500),
        .fault_every_ms = ONE_OF(random, 300, 800, 2000),
        .faults = draw_faults(random),
        .ttl_max_ms = ONE_OF(random, 2000, 5000, 15000, 60000),
        .retention_ms = 600000,
        .members_max = 2 * MEMBERS,
        .users = USERS_FEW,
        .log_slots = (uint32_t)ONE_OF(random, 16, 64, 1024, 1024),
        .crowded_origins = (size_t)ONE_OF(random, 2, 4, 8, ROLL_ORIGINS_MAX / 2),
        .walls = (enum wall_error)ONE_OF(random, WALLS_RIGHT, WALLS_RIGHT, WALLS_BY_AN_HOUR, WALLS_BY_YEARS),
        .is_sealed = random_chance(random, 1, 2),
    };
    plan.nodes = plan.nodes_at_start;
    if (plan_has(&plan, FAULT_JOIN)) plan.nodes = (unsigned)random_between(random, plan.nodes, NODES_MAX);
    if (random_chance(random, 1, 3)) plan.loss_permille = (unsigned)ONE_OF(random, 5, 50, 300);
    if (random_chance(random, 1, 3)) plan.sync_loss_permille = (unsigned)ONE_OF(random, 20, 200, 500);
    plan.is_chaotic = random_chance(random, 1, 6);
    if (plan.is_chaotic) plan.duplicate_permille = (unsigned)ONE_OF(random, 10, 200);
    if (random_chance(random, 1, 12) || is_large) plan.users = (unsigned)random_between(random, USERS_FEW, USERS);
    if (random_chance(random, 1, 12))
        plan.members_max = random_between(random, 6, SCOPES * SESSIONS * (uint64_t)plan.users / 2);
    if (random_chance(random, 1, 8)) make_reliable(&plan);
    /* Without a key nothing tells what was broken on its way. */
    if (plan_has(&plan, FAULT_GARBAGE)) plan.is_sealed = true;
    return plan;
}

/* Around the day that is often a bound, and far beyond it. */
static int64_t draw_years_ms(struct random *random, uint64_t true_wall_ms) {
    const int64_t hour_ms = 3600 * INT64_C(1000), year_ms = 365 * 24 * hour_ms;
    switch (random_below(random, 6)) {
    case 0:
        return 0;
    case 1:
        return -(int64_t)true_wall_ms; /* 1970 */
    case 2:
        return 25 * hour_ms;
    case 3:
        return -25 * hour_ms;
    case 4:
        return (int64_t)random_below(random, (uint64_t)(30 * year_ms));
    default:
        return -(int64_t)random_below(random, (uint64_t)(30 * year_ms));
    }
}

int64_t plan_draw_wall_error(const struct plan *plan, struct random *random, uint64_t true_wall_ms) {
    const int64_t hour_ms = 3600 * INT64_C(1000);
    if (plan->walls == WALLS_BY_YEARS) return draw_years_ms(random, true_wall_ms);
    return (int64_t)random_below(random, (uint64_t)(2 * hour_ms)) - hour_ms;
}

bool plan_has(const struct plan *plan, enum fault fault) {
    return (plan->faults >> fault & 1) != 0;
}

void plan_print(const struct plan *plan, FILE *out) {
    fprintf(out,
            "nodes %u..%u (told of %s), %" PRIu64 " ms with faults, flush %" PRIu64 " ms, delay <= %" PRIu64
            " ms, frames lost %u o/oo, sync_requests lost %u o/oo, %squeue %u, a call each %" PRIu64
            " ms, TTL <= %" PRIu64 " ms, %u users, members <= %" PRIu64
            ", log of %u slots, crowded at %zu origins, %s clocks, faults:",
            plan->nodes_at_start, plan->nodes, plan->meets_all ? "all" : "one", plan->active_ms, plan->flush_ms,
            plan->delay_max_ms, plan->loss_permille, plan->sync_loss_permille, plan->is_chaotic ? "chaotic, " : "",
            plan->queue_frames, plan->call_every_ms, plan->ttl_max_ms, plan->users, plan->members_max, plan->log_slots,
            plan->crowded_origins, (const char *const[]){"right", "wrong", "very wrong"}[plan->walls]);
    for (unsigned i = 0; i < FAULTS; i++)
        if (plan_has(plan, (enum fault)i)) fprintf(out, " %s", fault_names[i]);
    fputc('\n', out);
}
