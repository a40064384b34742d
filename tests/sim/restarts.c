#include "restarts.h"

enum { START_MS = 500, BEATS_MAX = 2, LIFE_MAX_MS = 60, AGAIN_MAX_MS = 10 };

void restarts_plan(struct world *world) {
    struct plan *plan = &world->plan;
    plan->nodes_at_start = plan->nodes = world->node_count = 3;
    plan->faults = plan->loss_permille = plan->sync_loss_permille = plan->duplicate_permille = 0;
    plan->meets_all = true;
    plan->is_chaotic = false;
    plan->flush_ms = 10;
    plan->delay_max_ms = 1;
    plan->call_every_ms = 60000; /* the beats are made here */
    plan->users = USERS;
    plan->members_max = 2 * MEMBERS;
    plan->ttl_max_ms = 60000;
    plan->crowded_origins = 256;
    plan->log_slots = 1024;
    plan->retention_ms = UINT64_C(24) * 3600 * 1000;
}

void restarts_run(struct world *world, unsigned times) {
    struct node *node = &world->nodes[0];
    world_run_until(world, world->now_ms + 2000);
    for (unsigned i = 0; i < times && !world->has_failed; i++) {
        node_crash(world, node);
        world_run_until(world, world->now_ms + random_between(&world->random, 1, AGAIN_MAX_MS));
        node_start(world, node);
        world_run_until(world, world->now_ms + START_MS);
        for (uint64_t k = random_between(&world->random, 1, BEATS_MAX); k > 0; k--)
            calls_make(world, node, random_chance(&world->random, 9, 10) ? "beat" : "leave");
        /* The nodes that never restart speak now and then. */
        if (random_chance(&world->random, 1, 10)) calls_make(world, &world->nodes[1], "beat");
        world_run_until(world, world->now_ms + random_between(&world->random, 1, 2 * LIFE_MAX_MS));
    }
    if (world->oracle.adopted == 0) world_fail(world, "crowded", "no node retired an origin");
    world->plan.active_ms = world->now_ms;
}
