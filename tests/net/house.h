/* A node with its loops and its door for calls, in this process. */
#ifndef MUSTER_TESTS_NET_HOUSE_H
#define MUSTER_TESTS_NET_HOUSE_H

#include "net/sp/rpc_door.h"

struct house {
    struct node *node;
    struct rpc *rpc;
    struct loops *loops;
    struct watch_task *watch_task;
    struct rpc_door *rpc_door;
    struct door *door;
    const char *url; /* on the loopback */
};

/* Zero is the default of each field. MUSTER_TEST_THREADS says how many loops there are, where it is set. */
struct house_settings {
    size_t watches_max, connections_max;
    uint32_t unread_ms, unfinished_ms, idle_ms;
};

struct house house_open(const struct house_settings *settings);
void house_close(struct house *house);

#endif
