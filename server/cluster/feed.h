/* What is known of one peer's origin: how far it has come, and what of it is here beyond the version vector.
 *
 * Three things tell: frames in a row give a range of sequences, sync pages give everything up to one, digests and
 * responses announce the last one that exists. Pure; `known` is what the vector says of the origin. */
#ifndef MUSTER_CLUSTER_FEED_H
#define MUSTER_CLUSTER_FEED_H

#include "frame.h"

/* What nothing came of for so long is not on its way by frames. */
enum { FEED_STOPPED_MS = 300 };

struct feed {
    uint64_t frame_number; /* of the last frame that is known to exist: an older one is a replay */
    uint64_t taken_frame;  /* the number of the last frame that was taken; 0: none was */
    uint64_t announced;    /* the last sequence that is known to exist */
    uint64_t progress_ms;  /* when something of it came last, or when it was first known to have more */

    /* Frames received: complete in (range_from, range_to]; through range_complete also at the end of a whole flush. */
    uint64_t range_from, range_to, range_complete;
    bool are_refreshes_sure; /* all refreshes of the last frame held here: those of the next one will */

    /* Sync pages received: complete through sync_after, except members touched again since; those arrive in frames up
     * to sync_frames_to. */
    uint64_t sync_after, sync_frames_to;

    bool needs_walk; /* the peer's log no longer reaches back to what is missing: WANT_ALL is to be requested */
};

/* How a frame stands to what came before it. */
struct frame_standing {
    bool is_next;   /* all before it is known */
    bool is_linked; /* it goes on where the frames beyond a gap ended */
    uint64_t floor; /* a refresh is sure of registers from this sequence on */
};

/* A new incarnation, whose last frame has this number. */
void feed_begin(struct feed *feed, uint64_t frame_number);
/* A sequence is known to exist. */
void feed_announce(struct feed *feed, uint64_t sequence, uint64_t known, uint64_t now_ms);

struct frame_standing feed_standing(const struct feed *feed, uint64_t known, const struct frame_head *head);
/* A frame was merged. is_whole: all of it. */
void feed_take_frame(struct feed *feed, const struct frame_head *head, const struct frame_standing *standing,
                     bool is_whole);
/* A page of WANT_OWN was merged as a whole: complete through `after`; `last` was the origin's last sequence then. */
void feed_take_page(struct feed *feed, uint64_t after, uint64_t last, uint64_t now_ms);

/* The sequence up to which frames, with the help of pages, make everything known; `known` where it is no more. */
uint64_t feed_complete(const struct feed *feed, uint64_t known);
/* Everything through `sequence` is known: then how far frames go on from there. */
uint64_t feed_extend(const struct feed *feed, uint64_t sequence);
/* Where the frames beyond a gap begin; 0: there is no gap. */
uint64_t feed_gap_end(const struct feed *feed, uint64_t known);
/* Whether what is missing of it is not on its way. */
bool feed_has_stopped(const struct feed *feed, uint64_t now_ms);
/* Whether something of it is missing and is not on its way: frames came beyond a gap that pages do not bridge, or
 * nothing came for a while. */
bool feed_is_behind(const struct feed *feed, uint64_t known, uint64_t now_ms);
/* Whether nothing more of it needs to be requested: frames have the rest. */
bool feed_is_bridged(const struct feed *feed, uint64_t known);

#endif
