/* What is sent to a watcher: users of a snapshot, or changes, selected from the roll and the journal.
 *
 * After each answer, what the watcher was sent so far is exactly the state of those users at one version. A snapshot
 * goes through the scope in the order of hashes, a page an answer; each page after the first begins with the changes,
 * since the page before, of users that were sent already.
 *
 * Changes are selected by a walk over a range of versions, from the one that the watcher has to the latest one when the
 * walk begins. Each user comes once: its state at both ends of the range says what happened to it. A walk that does not
 * fit one answer is continued in the next, to the same end. */
#ifndef MUSTER_WATCH_ANSWER_H
#define MUSTER_WATCH_ANSWER_H

#include "reply/rows.h"
#include "watches.h"

struct watch_answer {
    struct watches *watches;
    struct arena *arena;      /* of the worker that answers */
    struct instant now;       /* when it answers */
    struct watch_query query; /* selecting moves its cursor on */

    struct rows rows;
    struct scope_counts counts; /* where has_counts is set, of the scope of that name */
    struct text counts_scope;
    bool has_counts;
    bool more; /* this is not all: the watcher has to ask again at once */
};

/* Whether the watch can be continued from its cursor. In a turn. */
bool answer_can_resume(const struct watch_answer *answer);
/* Whether there may be more to send than one answer holds. */
bool answer_is_long(const struct watch_answer *answer, const struct turn *turn);

/* Selects what is sent now, at most one message. Unless the cursor is whole, the turn must have begun with
 * node_begin_ticked: a snapshot holds nobody who has expired. False: the worker's memory does not hold even one row. */
bool answer_select(struct watch_answer *answer, const struct turn *turn);

/* Whether there is anything to send besides a cursor. */
static inline bool answer_has_news(const struct watch_answer *answer) {
    return answer->query.resync || answer->rows.count > 0 || answer->has_counts || answer->more;
}

/* Encodes what was selected as the fields of a WatchResponse without its cursor, into the arena. False if that has no
 * room. Needs no turn. */
bool answer_encode(const struct watch_answer *answer, struct text *news);
/* A whole WatchResponse: the cursor, and what answer_encode made, or nothing. Needs no turn. */
bool answer_body(struct arena *arena, const struct cursor_key *key, struct text news, const struct cursor *cursor,
                 struct text *body);

#endif
