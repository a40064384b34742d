#include "rounds.h"

#include "client.h"

#include <assert.h>

enum { DOUBLINGS_MAX = 16 };

_Static_assert(MUSTER_ADDRESSES_MAX < 32, "rounds.tried has a bit for every node");

bool rounds_is_last(const struct rounds *rounds, const struct muster_client *client, unsigned node) {
    return (rounds->tried | 1u << node) == (1u << client->node_count) - 1;
}

uint32_t rounds_note_failure(struct rounds *rounds, struct muster_client *client, unsigned node,
                             struct backoff backoff) {
    assert(node < client->node_count);
    if (!rounds_is_last(rounds, client, node)) {
        rounds->tried |= 1u << node;
        return 0;
    }
    uint64_t most_ms = (uint64_t)backoff.min_ms << (rounds->failed < DOUBLINGS_MAX ? rounds->failed : DOUBLINGS_MAX);
    if (most_ms > backoff.max_ms) most_ms = backoff.max_ms;
    rounds->tried = 0;
    rounds->failed++;
    return (uint32_t)(most_ms / 2) + client_random(client, (uint32_t)(most_ms / 2) + 1);
}
