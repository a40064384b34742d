#include "sync_query.h"

#include "replica_limits.h"

#include <assert.h>

#define TO(state) (1u << QUERY_##state)
static const uint8_t query_may_become[] = {
    [QUERY_IDLE] = TO(WAITING),
    [QUERY_WAITING] = TO(IDLE) | TO(FAILED) | TO(REFUSED),
    [QUERY_FAILED] = TO(WAITING),
    [QUERY_REFUSED] = TO(WAITING),
};
#undef TO

static void query_become(struct sync_query *query, enum query_state state) {
    assert(query_may_become[query->state] & 1u << state);
    query->state = state;
}

bool query_is_due(const struct sync_query *query, uint64_t now_ms) {
    return !query_is_waiting(query) && now_ms >= query->not_before_ms;
}

bool query_is_late(const struct sync_query *query, uint64_t now_ms) {
    return query_is_waiting(query) && now_ms >= query->deadline_ms;
}

void query_init(struct sync_query *query, uint64_t now_ms) {
    *query = (struct sync_query){.not_before_ms = now_ms, .page_bytes = SYNC_PAGE_BYTES_MAX};
}

void query_begin(struct sync_query *query, enum sync_want want) {
    assert(!query_is_waiting(query));
    query->want = want;
    query->cursor = (struct sync_cursor){.is_set = false};
    query->pages = 0;
    query->is_refused = false;
}

void query_send(struct sync_query *query, uint64_t ticket, uint64_t now_ms) {
    assert(ticket != 0);
    query_become(query, QUERY_WAITING);
    query->ticket = ticket;
    query->sent_at_ms = now_ms;
    query->deadline_ms = now_ms + REPLICA_SYNC_TIMEOUT_MS;
}

void query_next_page(struct sync_query *query, const struct sync_cursor *next) {
    query_become(query, QUERY_IDLE);
    query->cursor = *next;
}

void query_finish(struct sync_query *query, uint64_t not_before_ms) {
    query_become(query, QUERY_IDLE);
    query->not_before_ms = not_before_ms;
}

void query_fail(struct sync_query *query, uint64_t not_before_ms) {
    query_become(query, QUERY_FAILED);
    query->failures++;
    query->not_before_ms = not_before_ms;
}

void query_refuse(struct sync_query *query, uint64_t not_before_ms) {
    query_become(query, QUERY_REFUSED);
    query->not_before_ms = not_before_ms;
}

void query_reschedule(struct sync_query *query, uint64_t not_before_ms) {
    query->not_before_ms = not_before_ms;
}

void query_hurry(struct sync_query *query, uint64_t now_ms) {
    const uint64_t deadline_ms = query->sent_at_ms + SYNC_RETRY_MS;
    if (query_is_waiting(query) && deadline_ms < query->deadline_ms) query->deadline_ms = deadline_ms;
    query->not_before_ms = now_ms;
}

void query_shrink_pages(struct sync_query *query) {
    query->page_bytes /= 2;
    if (query->page_bytes < SYNC_PAGE_BYTES_MIN) query->page_bytes = SYNC_PAGE_BYTES_MIN;
}

void query_grow_pages(struct sync_query *query) {
    if (query->page_bytes < SYNC_PAGE_BYTES_MAX) query->page_bytes *= 2;
}
