#include "house.h"
#include "muster/limits.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

struct house house_open(const struct house_settings *settings) {
    static const char *const urls[] = {"tcp://127.0.0.1:0"};
    const struct node_config config = {.ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 100000,
                                       .bytes_max = 1 << 28};
    struct house house = {.node = node_new(&config, clock_now())};
    if (house.node == NULL || (house.rpc = rpc_new(house.node, settings->watches_max)) == NULL) fail_msg("no node");
    const char *threads = getenv("MUSTER_TEST_THREADS");
    struct error error;
    const struct loops_config loops = {.threads = threads != NULL ? (unsigned)atoi(threads) : 0, .stall_ms = 60000};
    if ((house.loops = loops_start(&loops)) == NULL) fail_msg("no loops");
    if ((house.watch_task = watch_task_start(house.loops, rpc_watches(house.rpc))) == NULL) fail_msg("no task");
    const struct rpc_door_config door = {.rpc = house.rpc,
                                         .watch_task = house.watch_task,
                                         .urls = urls,
                                         .url_count = 1,
                                         .connections_max = settings->connections_max,
                                         .unread_ms = settings->unread_ms,
                                         .unfinished_ms = settings->unfinished_ms,
                                         .idle_ms = settings->idle_ms};
    house.rpc_door = rpc_door_open(house.loops, &door, &error);
    if (house.rpc_door == NULL) fail_msg("no door: %s", error.text);
    house.door = rpc_door_door(house.rpc_door);
    house.url = door_url(house.door, 0);
    return house;
}

void house_close(struct house *house) {
    loops_stop(house->loops);
    rpc_door_close(house->rpc_door);
    watch_task_free(house->watch_task);
    loops_free(house->loops);
    rpc_free(house->rpc);
    node_free(house->node);
}
