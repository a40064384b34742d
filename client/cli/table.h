/* A table for people: columns aligned by display width, control characters escaped. Rows are buffered in blocks, and a
 * column is as wide as its widest cell so far: memory is bounded, and only very long tables can change their alignment.
 * One thread. */
#ifndef MUSTER_CLI_TABLE_H
#define MUSTER_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 24, TABLE_BLOCK_ROWS = 1000 };

struct table;

struct table_column {
    const char *title; /* outlives the table; printed in the first line */
    char align;        /* 'l' or 'r' */
};

/* Makes a table that prints to `out`. columns: 1..TABLE_COLUMNS_MAX, copied. Ends the program with a message if memory
 * is short. */
struct table *table_new(FILE *out, const struct table_column *columns, size_t count);

/* The next cell, row by row from left to right. Any bytes; copied, and shown as by text_escape. */
void table_text(struct table *table, const char *data, size_t len);
void table_string(struct table *table, const char *string);
void table_number(struct table *table, uint64_t number);

/* A line across the columns, between two rows: it is shown as it is, and does not widen a column. Only where a row is
 * complete. */
void table_note(struct table *table, const char *note);

/* Prints the buffered rows. The title line is printed even without rows. */
void table_flush(struct table *table);

/* Flushes and frees. `table` may be NULL. */
void table_finish(struct table *table);

/* After a failure: prints the buffered rows, if there are any, and frees. `table` may be NULL. */
void table_break_off(struct table *table);

#endif
