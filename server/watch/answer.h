/* What a watch is told: the users of a snapshot, or what changed, selected from the roll and the journal.
 *
 * After each answer the watcher knows exactly the users that it was told of so far, as of one version. A snapshot goes
 * through the scope in the order of hashes, a page an answer; each further page begins with what changed meanwhile
 * among those who were told of before. Changes are told by walking a range of versions, from where the watcher is up to
 * what is the latest when the walk begins; each user comes once, and what it was at the one end and is at the other
 * says what happened to it. A walk that does not fit one answer goes on in the next, to the same end. */
#ifndef MUSTER_WATCH_ANSWER_H
#define MUSTER_WATCH_ANSWER_H

#include "reply/rows.h"
#include "watches.h"

struct watch_answer {
    struct watches *watches;
    struct arena *arena;      /* of the worker that answers */
    struct instant now;       /* that it answers at */
    struct watch_query query; /* its cursor is moved on by what is selected */

    struct rows rows;
    struct scope_counts counts; /* where has_counts is set, with the name of the scope */
    struct text counts_scope;
    bool has_counts;
    bool more; /* it does not end here: the watcher is to ask again at once */
};

/* Whether the cursor is of a watch that this node can go on with. */
bool answer_can_resume(const struct watch_answer *answer);
/* Whether what there is to tell may take more than one answer. Under the lock. */
bool answer_is_long(const struct watch_answer *answer, const struct turn *turn);

/* Selects what is told now, at most one reply's worth. Under the lock, at a moment at which roll_tick had nothing left
 * to do, unless the cursor is whole. Nothing is to be told where the rows are empty, and has_counts and more unset.
 * False: the worker's memory does not hold even one row. */
bool answer_select(struct watch_answer *answer, const struct turn *turn);

/* Whether something was told. */
static inline bool answer_has_news(const struct watch_answer *answer) {
    return answer->query.resync || answer->rows.count > 0 || answer->has_counts || answer->more;
}

/* What is told as the fields of a WatchResponse but for its cursor, into the arena. False where that is short. Without
 * the lock. */
bool answer_encode(const struct watch_answer *answer, struct text *news);
/* A whole WatchResponse: a cursor, and what answer_encode made or nothing. */
bool answer_body(struct arena *arena, const struct cursor_key *key, struct text news, const struct cursor *cursor,
                 struct text *body);

#endif
