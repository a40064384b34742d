/* The rows of Live, List, Watch and Where: copied out of the roll in a turn, encoded after it. They always fit a
 * message. */
#ifndef MUSTER_REPLY_ROWS_H
#define MUSTER_REPLY_ROWS_H

#include "arena.h"
#include "node/turn.h"

struct session_row {
    struct text session, state;
    int64_t last_seen_ms;
    uint32_t ttl_ms;
    uint32_t bytes; /* of its encoding, without tag and length */
    uint8_t status;
};

struct user_row {
    struct text user;         /* empty: left out */
    const struct text *scope; /* of a place; NULL: the row is a user */
    struct session_row *rows;
    int64_t last_seen_ms;
    uint64_t seen_ms; /* on the roll's clock, to sort by */
    uint32_t sessions, row_count;
    uint32_t bytes; /* of its encoding, without tag and length */
    uint8_t status;
    bool live;
    uint8_t kind, reason; /* of a change for a watcher: enum effect_kind + 1, enum effect_reason; else 0 */
};

struct rows {
    struct arena *arena;
    struct instant now; /* of the request: its wall clock is the one of last_seen_ms */
    struct user_row *items;
    size_t count;
    size_t bytes; /* of all rows, tags and lengths included */
};

enum rows_verdict {
    ROWS_TAKEN,
    ROWS_FULL,    /* not appended: the message would pass its cap */
    ROWS_NO_ROOM, /* not appended: the arena is used up */
};

/* Room for `capacity` rows; false if the arena has none. */
bool rows_open(struct rows *rows, struct arena *arena, struct instant now, size_t capacity);

/* What a row shows of a view. */
struct row_options {
    struct text scope;        /* of the sessions */
    const struct text *place; /* where the user is, of Where, in the arena; NULL: the rows are users */
    bool with_name, with_sessions;
};

/* Appends the row of a view that was taken in this turn, and copies its texts. rows_take_change: as what happened to
 * the user. A row without sessions needs no roll: then the turn may be over. */
enum rows_verdict rows_take(struct rows *rows, const struct turn *turn, const struct user_view *view,
                            const struct row_options *options);
enum rows_verdict rows_take_change(struct rows *rows, const struct turn *turn, const struct user_view *view,
                                   const struct row_options *options, uint8_t kind, uint8_t reason);

/* Writes the row as field `field`, row_size bytes. */
size_t row_size(const struct user_row *row);
uint8_t *row_put(uint8_t *at, unsigned field, const struct user_row *row);

/* Encodes a response that has the rows as field 1 and, unless empty, next_page_token as field 2, into the arena. False
 * if that has no room. */
bool rows_encode(const struct rows *rows, struct text next_page_token, struct text *body);

/* What a message has besides its rows takes at most so much: tags, lengths, a page token, a cursor. */
enum { ROWS_MARGIN_BYTES = 128 };

#endif
