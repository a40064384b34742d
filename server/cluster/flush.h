/* What goes out: changes since the last flush, and each second what is known. */
#ifndef MUSTER_CLUSTER_FLUSH_H
#define MUSTER_CLUSTER_FLUSH_H

#include "replica_state.h"

/* The roll took local beats: decides when they are flushed. As replica_touched. */
bool flush_touched(struct replica *replica, const struct touched *touched, uint64_t now_ms);
/* Publishes all that was not published yet; at most FRAMES_AT_ONCE frames. */
void flush_all(struct replica *replica, uint64_t now_ms);
/* As replica_flush_news. */
bool flush_news(struct replica *replica, uint64_t now_ms);
bool flush_is_due(const struct replica *replica, uint64_t now_ms);
void flush_digest(struct replica *replica, uint64_t now_ms);

#endif
