#include "feed.h"

#include <assert.h>

void feed_begin(struct feed *feed, uint64_t frame_number) {
    const uint64_t progress_ms = feed->progress_ms;
    *feed = (struct feed){.frame_number = frame_number, .progress_ms = progress_ms};
}

void feed_announce(struct feed *feed, uint64_t sequence, uint64_t known, uint64_t now_ms) {
    if (sequence <= feed->announced) return;
    /* What is missing from now on may be on its way by frames: it has the time from now. */
    if (feed->announced <= known) feed->progress_ms = now_ms;
    feed->announced = sequence;
}

struct frame_standing feed_standing(const struct feed *feed, uint64_t known, const struct frame_head *head) {
    uint64_t reach = known;
    if (feed->range_from <= known && feed->range_to > reach) reach = feed->range_to;
    struct frame_standing standing = {.is_next = head->previous <= reach,
                                      .is_linked =
                                          head->previous >= feed->range_from && head->previous <= feed->range_to};
    uint64_t since = head->previous - head->reach;
    standing.floor = reach >= since ? 0 : standing.is_linked && feed->range_from < since ? feed->range_from : since;
    return standing;
}

void feed_take_frame(struct feed *feed, const struct frame_head *head, const struct frame_standing *standing,
                     bool is_whole) {
    if (!is_whole) {
        feed->range_from = feed->range_to = feed->range_complete = head->last;
    } else if (standing->is_linked) {
        if (head->last > feed->range_to) feed->range_to = head->last;
    } else {
        feed->range_from = feed->range_complete = head->previous;
        feed->range_to = head->last;
    }
    if (!head->is_partial) feed->range_complete = feed->range_to;
    assert(feed->range_from <= feed->range_complete && feed->range_complete <= feed->range_to);
}

void feed_take_page(struct feed *feed, uint64_t after, uint64_t last, uint64_t now_ms) {
    feed->sync_after = after;
    feed->sync_frames_to = last;
    feed->progress_ms = now_ms;
}

uint64_t feed_complete(const struct feed *feed, uint64_t known) {
    /* Members that the pages left out, because they were touched again, have come by frames. */
    bool is_bridged = feed->range_from <= feed->sync_after && feed->range_complete >= feed->sync_frames_to;
    if (feed->range_complete <= known || (feed->range_from > known && !is_bridged)) return known;
    return feed->range_complete;
}

uint64_t feed_extend(const struct feed *feed, uint64_t sequence) {
    bool goes_on = feed->range_from <= sequence && sequence < feed->range_complete;
    return goes_on ? feed->range_complete : sequence;
}

uint64_t feed_gap_end(const struct feed *feed, uint64_t known) {
    return feed->range_to > known && feed->range_from > known ? feed->range_from : 0;
}

bool feed_has_stopped(const struct feed *feed, uint64_t now_ms) {
    return now_ms - feed->progress_ms >= FEED_STOPPED_MS;
}

bool feed_is_behind(const struct feed *feed, uint64_t known, uint64_t now_ms) {
    if (feed->announced <= known) return false;
    return feed_gap_end(feed, known) > feed->sync_after || feed_has_stopped(feed, now_ms);
}

bool feed_is_bridged(const struct feed *feed, uint64_t known) {
    if (feed->announced <= known) return true;
    return feed->are_refreshes_sure && feed->range_to > known && feed->range_from <= feed->sync_after;
}
