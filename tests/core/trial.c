#include "trial.h"

#include "support/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CLOCK_START_BITS = 40 };

static void *room(size_t count, size_t bytes) {
    void *memory = calloc(count + 1, bytes);
    if (memory == NULL) abort();
    return memory;
}

static struct roll *new_roll(struct trial *trial) {
    struct roll_config config = {
        .retention_ms = trial->world->retention_ms,
        .members_max = trial->world->members_max,
        .bytes_max = trial->world->bytes_max,
        .log_slots = trial->world->log_slots,
        .allocator = heap_plain(),
    };
    random_letters(&trial->random, (char *)config.hash_key, sizeof config.hash_key);
    return roll_new(&config);
}

static void make_room(struct trial *trial) {
    const struct world *world = trial->world;
    size_t sessions = world->sessions < MUSTER_SESSIONS_MAX ? world->sessions : MUSTER_SESSIONS_MAX;
    size_t members = (size_t)world->scopes * world->users * sessions;
    size_t users = (size_t)world->scopes * world->users; /* a reset left behind */
    trial->effects.capacity = 2 * (size_t)world->batch_max + members + users;
    trial->effects.items = room(trial->effects.capacity, sizeof *trial->effects.items);
    trial->effects.names_capacity = trial->effects.capacity * EFFECT_NAMES_BYTES_MAX;
    trial->effects.names = room(trial->effects.names_capacity, 1);
    trial->evicted_ms = room(world->scopes, sizeof *trial->evicted_ms);
    trial->told = room(users, sizeof *trial->told);
    trial->flows = room(world->scopes, sizeof *trial->flows);
    trial->marks = room(world->users, sizeof *trial->marks);
    trial->hashes = room(world->users, sizeof *trial->hashes);
    trial->views = room(world->users > 1000 ? world->users : 1000, sizeof *trial->views);
    trial->batch = room(world->batch_max, sizeof *trial->batch);
    trial->beats = room(world->batch_max, sizeof *trial->beats);
    trial->before = room(world->batch_max, sizeof *trial->before);
    trial->outcomes = room(world->batch_max, sizeof *trial->outcomes);
    trial->outcomes_in_model = room(world->batch_max, sizeof *trial->outcomes_in_model);
    trial->known_states = room((size_t)world->batch_max * world->state_bytes_max, 1);
    trial->states = room(MUSTER_STATE_BYTES_MAX, 64);
    random_letters(&trial->random, trial->states, (size_t)MUSTER_STATE_BYTES_MAX * 64);
}

struct trial *trial_new(const struct world *world, uint64_t seed) {
    struct trial *trial = room(1, sizeof *trial);
    trial->world = world;
    trial->seed = seed;
    trial->doing = "starting";
    trial->random = random_of(seed);
    trial->scopes = names_make(&trial->random, world->scopes, false);
    trial->users = names_make(&trial->random, world->users, false);
    trial->sessions = names_make(&trial->random, world->sessions, true);
    trial->model = model_new(world->scopes, world->users, world->retention_ms, world->members_max);
    trial->now_ms = UINT64_C(1) << CLOCK_START_BITS;
    trial->stamp = UINT64_C(1) << 56;
    make_room(trial);
    trial->roll = new_roll(trial);
    if (trial->roll == NULL) mismatch(trial, "roll_new failed");
    for (uint32_t u = 0; u < world->users; u++) trial->hashes[u] = roll_hash(trial->roll, trial->users.items[u]);
    return trial;
}

void trial_free(struct trial *trial) {
    roll_free(trial->roll);
    model_free(trial->model);
    names_free(&trial->scopes);
    names_free(&trial->users);
    names_free(&trial->sessions);
    free(trial->effects.items);
    free(trial->effects.names);
    free(trial->evicted_ms);
    free(trial->told);
    free(trial->flows);
    free(trial->marks);
    free(trial->hashes);
    free(trial->views);
    free(trial->batch);
    free(trial->beats);
    free(trial->before);
    free(trial->outcomes);
    free(trial->outcomes_in_model);
    free(trial->known_states);
    free(trial->states);
    free(trial);
}

int64_t trial_session(const struct trial *trial, struct text name) {
    if (text_equal(name, register_session(REGISTER_LEAVE))) return MODEL_LEAVE;
    if (text_equal(name, register_session(REGISTER_STATUS))) return MODEL_STATUS;
    return names_find(&trial->sessions, name);
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

void trial_report(const struct trial *trial) {
    print_error("world \"%s\" seed %llu step %llu, %s; now %llu, last whole tick at %llu\n"
                "again: MUSTER_SEED=%llu MUSTER_WORLD='%s'\n",
                trial->world->name, (unsigned long long)trial->seed, (unsigned long long)trial->step, trial->doing,
                (unsigned long long)trial->now_ms, (unsigned long long)trial->ticked_ms,
                (unsigned long long)trial->seed, trial->world->name);
}

static void report_roll_user(const struct trial *trial, uint32_t scope, uint32_t user) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    struct user_view view;
    struct text name = trial->users.items[user], scope_name = trial->scopes.items[scope];
    roll_live(trial->roll, scope_name, &name, 1, trial->now_ms, &view);
    print_error("  roll's scope %u user %u (%u bytes): known %d live %d status %d sessions %u seen %llu\n", scope, user,
                name.len, view.known, view.live, view.status, view.sessions, (unsigned long long)view.seen_ms);
    size_t count = roll_sessions(trial->roll, scope_name, name, trial->now_ms, views);
    for (size_t i = 0; i < count; i++)
        print_error("    session %d: status %d ttl %u seen %llu state of %u bytes\n",
                    (int)names_find(&trial->sessions, views[i].session), views[i].status, views[i].ttl_ms,
                    (unsigned long long)views[i].seen_ms, views[i].state.len);
}

void trial_report_user(const struct trial *trial, uint32_t scope, uint32_t user) {
    report_roll_user(trial, scope, user);
    const struct model_user *found = model_user_at(trial->model, scope, user);
    print_error("  model's:\n");
    for (size_t m = 0; m < found->count; m++) {
        const struct model_member *member = &found->members[m];
        print_error(
            "    session %u: status %d ttl %u seen %llu (age %llu) state of %u bytes sequence %llu stamp %llu%s%s\n",
            member->session, member->status, member->ttl_ms, (unsigned long long)member->seen_ms,
            (unsigned long long)(trial->now_ms - member->seen_ms), member->state_len,
            (unsigned long long)member->sequence, (unsigned long long)member->stamp,
            model_is_live(member, trial->now_ms) ? " live" : "",
            model_is_known(trial->model, member, trial->now_ms) ? "" : " forgotten");
    }
}
