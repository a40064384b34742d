/* When the users of a large scope were last seen: a multiset of instants that counts, exactly and in microseconds, how
 * many are not before a given one.
 *
 * The last seconds are plain counters by the millisecond, so that a beat adds and removes in O(1) without allocating.
 * What is older stands in cells of 65.5 s, as a list of 16-bit offsets while they are few, else split into cells of
 * 1.024 s, which again are lists while they are few, else counters by the millisecond. A count adds whole cells, and
 * looks into the one that the boundary falls into. */
#ifndef MUSTER_CORE_HISTORY_H
#define MUSTER_CORE_HISTORY_H

#include "allocator.h"

#include <stdbool.h>
#include <stdint.h>

struct history;

/* For instants up to span_ms ago. NULL if memory is short. */
struct history *history_new(uint64_t span_ms, uint64_t now_ms, const struct allocator *allocator);
void history_free(struct history *history);

/* Adds an instant `times` times, which is not after the now_ms that history_compact is called with next. false if
 * memory is short: the history is then worthless and only to be freed. Never allocates for an instant of the last
 * second, if history_compact was called within the second before it. */
bool history_add_times(struct history *history, uint64_t at_ms, uint32_t times);
static inline bool history_add(struct history *history, uint64_t at_ms) {
    return history_add_times(history, at_ms, 1);
}
/* Removes an instant that was added. Never fails, never allocates. */
void history_remove(struct history *history, uint64_t at_ms);
/* Makes room for the instants to come, and forgets those that are older than the span; to be called each second. false
 * as in history_add. Cost: some microseconds for each second that passed, at most for as many as the span has. */
bool history_compact(struct history *history, uint64_t now_ms);
/* How many instants are at from_ms or later; from_ms is at most span_ms before the last now_ms. */
uint64_t history_count(const struct history *history, uint64_t from_ms);

#endif
