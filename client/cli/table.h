/* A table for people: columns aligned by what a terminal shows, control characters escaped, printed as rows come.
 * Rows are held back in blocks, and a column is as wide as it ever had to be so far: memory is bounded, and all but
 * very long tables are aligned throughout. Not thread-safe. */
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

/* Makes a table that prints to `out`. columns: 1..TABLE_COLUMNS_MAX, copied. Never fails: ends the program with a
 * message where memory is short. */
struct table *table_new(FILE *out, const struct table_column *columns, size_t count);

/* The next cell, row by row from left to right. Bytes of any kind, copied; see text_escape for what is shown. */
void table_text(struct table *table, const char *data, size_t len);
void table_string(struct table *table, const char *string);
void table_number(struct table *table, uint64_t number);

/* Prints what is held back. The title line comes even where there are no rows. */
void table_flush(struct table *table);

/* Flushes and frees. `table` may be NULL. */
void table_finish(struct table *table);

/* For where the rows broke off: prints those that came, if any did, and frees. `table` may be NULL. */
void table_break_off(struct table *table);

#endif
