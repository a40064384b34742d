/* The writes of a client (Touch, Leave, Reset) in the order in which they were made.
 *
 * A node does the requests of one connection in order, and they are sent in the order in which they are started. So
 * writes are pipelined to one node at a time, and only a failure puts their order at risk: a write that is tried again
 * would come after those behind it. Then nothing new is sent until what is under way has ended (DRAINING), and the
 * writes go to the next node, or after a back-off (RESTING), from the first that failed on: also those behind it that
 * were answered already, which does no harm, since each says the same again and the last one of them is again the last.
 * For that an answered write ends only when all writes before it have.
 *
 * A leave carries the greatest stamp that the client was answered, so that it is ordered after the touches before it
 * also where it goes to another node. */
#ifndef MUSTER_CLIENT_WRITES_H
#define MUSTER_CLIENT_WRITES_H

#include "call.h"

enum writes_phase { WRITES_FLOWING, WRITES_DRAINING, WRITES_RESTING };

struct writes {
    struct muster_client *client;
    struct nap nap; /* wakes the order while it does not flow */

    pthread_mutex_t mutex; /* guards all below, and call.write of every call */
    enum writes_phase phase;
    struct call *first, *last; /* that have not ended */
    struct call *ended;        /* asynchronous ones whose callbacks are still to be called */
    struct call *last_ended;
    size_t under_way;
    unsigned node; /* that they are sent to */
    struct rounds rounds;
    uint64_t resume_ms; /* when RESTING is over */
    uint64_t stamp;     /* the greatest that was answered */
    bool is_napping, is_closing;
    struct muster_error error; /* of the attempt that failed last */
};

/* false: memory is short. */
bool writes_init(struct writes *writes, struct muster_client *client);
/* Nothing is under way. */
void writes_destroy(struct writes *writes);

/* Runs a blocking write, and waits for its end. As call_run. */
enum muster_code writes_run(struct writes *writes, struct call *call, struct muster_error *error);
/* Starts an asynchronous write. As call_launch. */
void writes_launch(struct writes *writes, struct call *call);
/* The attempt of an asynchronous write has ended. On the I/O thread. */
void writes_attempt_ended(struct call *call, enum attempt_status status);
/* The client closes: what waits ends with MUSTER_CANCELLED, and nothing more is sent. */
void writes_close(struct writes *writes);

#endif
