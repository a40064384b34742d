#include "script.h"

#include "cluster/replica_limits.h"
#include "muster/limits.h"

#include <inttypes.h>

static const char *const mishap_names[MISHAPS] = {"cut",       "slow", "crash",   "drain",
                                                  "wall-jump", "full", "hang-up", "pause"};

static uint64_t one_of(struct random *random, const uint64_t *values, size_t count) {
    return values[random_below(random, count)];
}
#define ONE_OF(random, ...)                                                                                            \
    one_of(random, (const uint64_t[]){__VA_ARGS__}, sizeof(const uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

struct script script_draw(struct random *random, bool is_large) {
    struct script script = {
        .hosts = (unsigned)random_between(random, 2, HOSTS_MAX),
        .sim_watchers = (unsigned)random_between(random, 6, SIM_WATCHERS_MAX),
        .users = (unsigned)random_between(random, 3, 9),
        .active_ms = random_between(random, 4000, 15000),
        .late_calls_ms = random_chance(random, 1, 2) ? random_between(random, 0, 3000) : 0,
        .flush_ms = ONE_OF(random, 10, 20, 50),
        .delay_max_ms = ONE_OF(random, 1, 5, 20, 80),
        .call_every_ms = ONE_OF(random, 5, 20, 60, 200, 600),
        .mishap_every_ms = ONE_OF(random, 200, 600, 1500),
        .ttl_max_ms = (uint32_t)ONE_OF(random, 1500, 4000, 10000),
        .clocks_are_wrong = random_chance(random, 1, 2),
        .is_sealed = random_chance(random, 1, 3),
    };
    for (unsigned i = 0; i < MISHAPS; i++) script.mishaps |= (unsigned)random_chance(random, 1, 2) << i;
    if (random_chance(random, 1, 6)) /* nothing but nodes that stand still */
        script.mishaps = 1u << MISHAP_PAUSE | (script.mishaps & (1u << MISHAP_HANG_UP | 1u << MISHAP_FULL));
    if (random_chance(random, 1, 40) || is_large) {
        script.users = (unsigned)random_between(random, CROWD / 2, CROWD);
        script.active_ms = 5000;
        script.call_every_ms = ONE_OF(random, 60, 200, 600);
    }
    return script;
}

bool script_has(const struct script *script, enum mishap mishap) {
    return (script->mishaps >> mishap & 1) != 0;
}

/* Each hop adds what the least delay of a peer hides, and a frame may wait for a flush. */
uint64_t script_slack_ms(const struct script *script) {
    uint64_t hop_ms = script->delay_max_ms * 2 + script->flush_ms + HOST_LATE_MS;
    /* A process that stood still hides how long an answer took, up to the time that it may take. */
    uint64_t still_ms = script_has(script, MISHAP_PAUSE) ? REPLICA_SYNC_TIMEOUT_MS : 0;
    return HOST_TICK_MS + 2 * HOST_LATE_MS + hop_ms * (script->hosts - 1) + still_ms;
}

void script_print(const struct script *script, FILE *out) {
    fprintf(out,
            "%u nodes, %u watchers, %u users, %" PRIu64 " ms with mishaps, calls for %" PRIu64
            " ms more, flush %" PRIu64 " ms, delay <= %" PRIu64 " ms, a call each %" PRIu64 " ms, TTL <= %" PRIu32
            " ms, %s clocks%s, mishaps each %" PRIu64 " ms:",
            script->hosts, script->sim_watchers, script->users, script->active_ms, script->late_calls_ms,
            script->flush_ms, script->delay_max_ms, script->call_every_ms, script->ttl_max_ms,
            script->clocks_are_wrong ? "wrong" : "right", script->is_sealed ? ", sealed" : "", script->mishap_every_ms);
    for (unsigned i = 0; i < MISHAPS; i++)
        if (script_has(script, (enum mishap)i)) fprintf(out, " %s", mishap_names[i]);
    fputc('\n', out);
}
