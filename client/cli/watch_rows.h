/* The output of `muster watch`: one row per change, as a table or as JSON. One thread at a time. */
#ifndef MUSTER_CLI_WATCH_ROWS_H
#define MUSTER_CLI_WATCH_ROWS_H

#include "muster/muster.h"
#include "output_queue.h"

#include <stdbool.h>

struct watch_rows;

struct watch_form {
    bool is_json;
    bool is_coloured; /* tables only */
    bool has_sessions;
    bool is_totals;    /* rows are counts instead of users */
    const char *scope; /* outlives the rows; NULL or "": the default scope */
};

/* queue: outlives the rows. Ends the program if memory is short. */
struct watch_rows *watch_rows_new(const struct watch_form *form, struct output_queue *queue);
/* `rows` may be NULL. */
void watch_rows_free(struct watch_rows *rows);

enum watch_change { WATCH_PRESENT, WATCH_JOINED, WATCH_UPDATED, WATCH_LEFT };

/* Writes one user. reason: of a user who left. Table rows are buffered, some hundred at most, so that they align. */
void watch_rows_user(struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                     enum muster_left_reason reason);
/* Writes the counts of the scope. */
void watch_rows_counts(struct watch_rows *rows, const struct muster_scope_counts *counts);
/* Writes the buffered rows, and the titles in any case. */
void watch_rows_flush(struct watch_rows *rows);

#endif
