/* A gRPC door in this process, on a loop that the test turns itself and a clock that it sets, with a service that
 * echoes. */
#ifndef MUSTER_TESTS_NET_GRPC_RIG_H
#define MUSTER_TESTS_NET_GRPC_RIG_H

#include "counting_echo.h"
#include "net/grpc/grpc_door.h"
#include "support/grpc_client.h"

struct rig {
    struct loops *loops;
    struct grpc_door *grpc_door;
    struct door *door;
    struct counting_echo echo;
};

/* config: what is not zero in it counts; NULL for none. Its url, services and connections_max are the rig's. */
void rig_open(struct rig *rig, const struct grpc_door_config *config);
/* Ends the test if a call was not closed exactly once, or memory of connections is still counted. */
void rig_close(struct rig *rig);

/* A connection without a word: the other end of its socket, with small buffers. */
struct h2 *rig_connect(struct rig *rig);
/* The same, greeted. */
struct h2 *rig_greet(struct rig *rig);
/* So many turns, none of which waits. */
void rig_turn(struct rig *rig, unsigned turns);
/* Sets the clock on by so much, in steps of at most `step_ms`, with turns after each. */
void rig_pass(struct rig *rig, uint64_t ms, uint64_t step_ms);
/* Bytes that connections own, as the loops count them. */
size_t rig_bytes(const struct rig *rig);
/* Connections that are open. */
size_t rig_connections(const struct rig *rig);

#endif
