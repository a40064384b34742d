/* What a program that watches keeps, and the rules that every answer must keep. */
#ifndef MUSTER_TESTS_SUPPORT_WATCHER_H
#define MUSTER_TESTS_SUPPORT_WATCHER_H

#include "muster/limits.h"
#include "request_builder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A user that was told of: live, or gone again. */
struct seen {
    char user[MUSTER_ID_BYTES_MAX + 1]; /* empty: a free place of the table */
    bool is_live;
    int status;
    uint32_t session_count;
    uint64_t sessions;     /* a digest of the sessions' names, statuses and states, in any order */
    unsigned answer, walk; /* the last that told of it */
};

struct watcher {
    /* What it asks. */
    const char *scope;
    const char *const *users; /* user_count of them; borrowed */
    size_t user_count;
    bool counts, sessions;
    bool are_statuses_set; /* SetStatus is called: a status need not be that of a session */
    uint32_t max_wait_ms, min_interval_ms;

    /* What it knows. */
    uint8_t cursor[MUSTER_CURSOR_BYTES_MAX];
    size_t cursor_len;
    struct seen *table; /* open addressing; its size is a power of two */
    size_t table_size, known, live;
    Muster__V1__ScopeCounts last_counts; /* numbers only */
    bool has_counts;
    bool is_in_snapshot; /* and there is more of it */
    bool is_synced;      /* the last answer had no `more` */
    bool is_on_page;     /* it was one of several pages */

    /* What was told, for tests that ask. */
    unsigned answers, walks, resyncs;
    size_t present, joined, left, updated; /* users, over all answers */
    size_t repeats;                        /* users who were told of twice in one walk of pages */
};

void watcher_close(struct watcher *watcher);

/* Its next request. */
void watcher_build(const struct watcher *watcher, struct request_builder *builder);
/* Applies an answer. NULL, or which rule it breaks; the text holds until the next call. */
const char *watcher_apply(struct watcher *watcher, const Muster__V1__WatchResponse *answer);
/* Whether that says that something happened. */
bool watcher_is_news(const Muster__V1__WatchResponse *answer);

/* The user, if it is known to be live. */
const struct seen *watcher_find(const struct watcher *watcher, const char *user);

/* Of whom the truth is not known: see watcher_differs. */
typedef bool blur_fn(void *context, const char *user);
/* Asks the answerer what the watcher should know: List, or Counts. NULL if it is what it does know, else what differs,
 * in a text that holds until the next call. Users for whom `blur` is true are passed over; NULL: none. Where the
 * watcher is in the midst of a snapshot: it must know a first part of List, and nobody else. */
const char *watcher_differs(const struct watcher *watcher, const struct answerer *answerer, blur_fn *blur,
                            void *context);

#endif
