#include "table.h"

#include "escape.h"
#include "memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct table {
    FILE *out;
    size_t columns, cells; /* cells: of the block, row by row */
    bool has_titles;       /* the title line is printed */
    struct table_column column[TABLE_COLUMNS_MAX];
    size_t width[TABLE_COLUMNS_MAX];
    char *cell[]; /* columns * TABLE_BLOCK_ROWS */
};

struct table *table_new(FILE *out, const struct table_column *columns, size_t count) {
    if (count == 0 || count > TABLE_COLUMNS_MAX) abort();
    struct table *t = memory_new(sizeof *t + count * TABLE_BLOCK_ROWS * sizeof t->cell[0]);
    t->out = out;
    t->columns = count;
    for (size_t i = 0; i < count; i++) {
        t->column[i] = columns[i];
        t->width[i] = text_width(columns[i].title);
    }
    return t;
}

/* Blanks are written only before a cell that follows, so that no line ends in blanks. */
static void print_cell(const struct table *t, size_t column, const char *text, size_t *blanks) {
    const size_t padding = t->width[column] - text_width(text);
    const bool is_right = t->column[column].align == 'r';
    *blanks += (column > 0 ? 2 : 0) + (is_right ? padding : 0);
    if (*text != '\0') {
        (void)fprintf(t->out, "%*s%s", (int)*blanks, "", text);
        *blanks = 0;
    }
    *blanks += is_right ? 0 : padding;
    if (column + 1 < t->columns) return;
    (void)fputc('\n', t->out);
    *blanks = 0;
}

/* A note takes a row: its text, and no other cell. */
static bool is_note(const struct table *t, size_t cell) {
    return cell % t->columns == 0 && cell + 1 < t->cells && t->cell[cell + 1] == NULL;
}

void table_flush(struct table *t) {
    size_t blanks = 0;
    for (size_t i = 0; !t->has_titles && i < t->columns; i++) print_cell(t, i, t->column[i].title, &blanks);
    t->has_titles = true;
    for (size_t i = 0; i < t->cells; i++) {
        if (t->cell[i] == NULL) continue; /* behind a note */
        if (is_note(t, i)) (void)fprintf(t->out, "%s\n", t->cell[i]);
        else print_cell(t, i % t->columns, t->cell[i], &blanks);
        free(t->cell[i]);
    }
    t->cells = 0;
}

void table_note(struct table *t, const char *note) {
    if (t->cells == t->columns * TABLE_BLOCK_ROWS) table_flush(t);
    const size_t len = strlen(note);
    t->cell[t->cells] = memory_new(len * ESCAPE_GROWTH + 1);
    (void)text_escape(note, len, t->cell[t->cells++]);
    for (size_t i = 1; i < t->columns; i++) t->cell[t->cells++] = NULL;
}

void table_text(struct table *t, const char *data, size_t len) {
    if (t->cells == t->columns * TABLE_BLOCK_ROWS) table_flush(t);
    char *escaped = memory_new(len * ESCAPE_GROWTH + 1);
    const size_t column = t->cells % t->columns;
    (void)text_escape(data, len, escaped);
    const size_t width = text_width(escaped);
    if (width > t->width[column]) t->width[column] = width;
    t->cell[t->cells++] = escaped;
}

void table_string(struct table *t, const char *string) {
    table_text(t, string, strlen(string));
}

void table_number(struct table *t, uint64_t number) {
    char digits[24];
    const int len = snprintf(digits, sizeof digits, "%" PRIu64, number);
    table_text(t, digits, (size_t)len);
}

void table_break_off(struct table *t) {
    if (t != NULL && t->cells > 0) table_flush(t);
    free(t);
}

void table_finish(struct table *t) {
    if (t == NULL) return;
    table_flush(t);
    free(t);
}
