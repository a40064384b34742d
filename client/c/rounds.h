/* Rounds over the nodes: in each, every node is tried once. After a round in which all nodes failed comes a back-off,
 * which doubles from round to round. */
#ifndef MUSTER_CLIENT_ROUNDS_H
#define MUSTER_CLIENT_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct muster_client;

/* Zero-initialised is the start of the first round. */
struct rounds {
    uint32_t tried;  /* nodes of this round, as bits */
    unsigned failed; /* rounds in which every node failed */
};

struct backoff {
    uint32_t min_ms, max_ms;
};

/* Whether `node` is the only one that was not tried in this round. */
bool rounds_is_last(const struct rounds *rounds, const struct muster_client *client, unsigned node);
/* Notes that `node` failed. Returns how long to wait before the next attempt: 0 where nodes of this round are left,
 * else the back-off, of which up to a half is taken away by chance. */
uint32_t rounds_note_failure(struct rounds *rounds, struct muster_client *client, unsigned node,
                             struct backoff backoff);

#endif
