/* Publishing: the changes since the last flush, and each second a digest. */
#ifndef MUSTER_CLUSTER_FLUSH_H
#define MUSTER_CLUSTER_FLUSH_H

#include "replica_state.h"

/* As replica_touched. */
bool flush_touched(struct replica *replica, const struct touched *touched, uint64_t now_ms);
/* Publishes what is not published yet, in at most FRAMES_AT_ONCE frames. */
void flush_all(struct replica *replica, uint64_t now_ms);
/* As replica_flush_news. */
bool flush_news(struct replica *replica, uint64_t now_ms);
bool flush_is_due(const struct replica *replica, uint64_t now_ms);
/* Publishes a frame that tells of nothing, for a peer that is to show that it takes frames. */
void flush_nothing(struct replica *replica, uint64_t now_ms);
/* Publishes a digest, and before it what is not published yet. */
void flush_digest(struct replica *replica, uint64_t now_ms);

#endif
