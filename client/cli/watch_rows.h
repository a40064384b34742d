/* What `muster watch` writes: a row a change, for people or as JSON. One thread at a time. */
#ifndef MUSTER_CLI_WATCH_ROWS_H
#define MUSTER_CLI_WATCH_ROWS_H

#include "muster/muster.h"
#include "output_queue.h"

#include <stdbool.h>

struct watch_rows;

struct watch_form {
    bool is_json;
    bool is_coloured; /* for a terminal; only for people */
    bool has_sessions;
    bool is_totals;    /* rows are counts, else users */
    const char *scope; /* outlives the rows; NULL or "": the default scope */
};

/* queue: outlives the rows. Ends the program where memory is short. */
struct watch_rows *watch_rows_new(const struct watch_form *form, struct output_queue *queue);
/* `rows` may be NULL. */
void watch_rows_free(struct watch_rows *rows);

enum watch_change { WATCH_PRESENT, WATCH_JOINED, WATCH_UPDATED, WATCH_LEFT };

/* One user. reason: where it left. Rows for people are held back, at most some hundred, so that they align. */
void watch_rows_user(struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                     enum muster_left_reason reason);
/* The counts of the scope. */
void watch_rows_counts(struct watch_rows *rows, const struct muster_scope_counts *counts);
/* Writes what is held back, and the titles in any case. */
void watch_rows_flush(struct watch_rows *rows);

#endif
