#include "watch_rows.h"

#include "datetime.h"
#include "memory.h"
#include "rows.h"
#include "values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct watch_rows {
    struct watch_form form;
    struct output_queue *queue;
    struct table *table; /* NULL: JSON */
    FILE *page;          /* where the table prints to: a buffer of `len` bytes */
    char *text;
    size_t len;
    enum watch_change colour_of; /* change of the last row */
};

static const char *const change_names[] = {
    [WATCH_PRESENT] = "present", [WATCH_JOINED] = "joined", [WATCH_UPDATED] = "updated", [WATCH_LEFT] = "left"};
static const char *const colours[] = {
    [WATCH_PRESENT] = "", [WATCH_JOINED] = "\033[32m", [WATCH_UPDATED] = "\033[36m", [WATCH_LEFT] = "\033[31m"};

static const char *reason_name(enum muster_left_reason reason) {
    switch (reason) {
    case MUSTER_REASON_LEFT:
        return "left";
    case MUSTER_REASON_EXPIRED:
        return "expired";
    case MUSTER_REASON_RESET:
        return "reset";
    default:
        return NULL;
    }
}

static struct table *make_table(const struct watch_form *form, FILE *page) {
    static const struct table_column users[] = {{"TIME", 'l'},   {"CHANGE", 'l'},   {"USER", 'l'},
                                                {"STATUS", 'l'}, {"SESSIONS", 'r'}, {"REASON", 'l'}};
    static const struct table_column sessions[] = {{"TIME", 'l'},   {"CHANGE", 'l'}, {"USER", 'l'}, {"SESSION", 'l'},
                                                   {"STATUS", 'l'}, {"REASON", 'l'}, {"STATE", 'l'}};
    static const struct table_column totals[] = {{"TIME", 'l'}, {"LIVE", 'r'}, {"ONLINE", 'r'},
                                                 {"AWAY", 'r'}, {"BUSY", 'r'}, {"SESSIONS", 'r'}};
    if (form->is_totals) return table_new(page, totals, sizeof totals / sizeof totals[0]);
    if (form->has_sessions) return table_new(page, sessions, sizeof sessions / sizeof sessions[0]);
    return table_new(page, users, sizeof users / sizeof users[0]);
}

struct watch_rows *watch_rows_new(const struct watch_form *form, struct output_queue *queue) {
    struct watch_rows *rows = memory_new(sizeof *rows);
    rows->form = *form;
    rows->queue = queue;
    if (form->scope == NULL || *form->scope == '\0') rows->form.scope = MUSTER_SCOPE_DEFAULT;
    if (form->is_json) return rows;
    rows->page = open_memstream(&rows->text, &rows->len);
    if (rows->page == NULL) {
        (void)fputs("muster: out of memory\n", stderr);
        exit(1);
    }
    rows->table = make_table(form, rows->page);
    return rows;
}

void watch_rows_free(struct watch_rows *rows) {
    if (rows == NULL) return;
    if (rows->page != NULL) {
        table_break_off(rows->table);
        (void)fclose(rows->page);
    }
    free(rows->text);
    free(rows);
}

/* ---- for people ---- */

/* Writes what the table has printed, in the colour of the last row. */
static void write_page(struct watch_rows *rows) {
    static const char end[] = "\033[0m\n";
    (void)fflush(rows->page);
    if (rows->len == 0) return;
    const char *colour = rows->form.is_coloured ? colours[rows->colour_of] : "";
    if (*colour == '\0') {
        output_queue_write(rows->queue, rows->text, rows->len);
    } else {
        const size_t before = strlen(colour);
        char *line = memory_new(before + rows->len + sizeof end);
        memcpy(line, colour, before);
        memcpy(line + before, rows->text, rows->len - 1);
        memcpy(line + before + rows->len - 1, end, sizeof end);
        output_queue_write(rows->queue, line, before + rows->len - 1 + strlen(end));
        free(line);
    }
    rewind(rows->page);
}

void watch_rows_flush(struct watch_rows *rows) {
    if (rows->table == NULL) return;
    table_flush(rows->table);
    write_page(rows);
}

/* The current time, in whole seconds as in other tables. */
static void table_now(struct table *table) {
    char text[DATETIME_TEXT_BYTES];
    datetime_format((int64_t)time(NULL) * 1000, text);
    table_string(table, text);
}

static void print_session_change(const struct watch_rows *rows, enum watch_change change, const char *user,
                                 const struct muster_session *session) {
    table_now(rows->table);
    table_string(rows->table, change_names[change]);
    table_string(rows->table, user);
    table_string(rows->table, *session->session == '\0' ? "-" : session->session);
    table_user_status(rows->table, session->status);
    table_string(rows->table, "");
    table_text(rows->table, session->state, session->state_len);
}

static void print_user(const struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                       const char *reason) {
    table_now(rows->table);
    table_string(rows->table, change_names[change]);
    table_string(rows->table, user->user);
    if (rows->form.has_sessions) table_string(rows->table, "-");
    table_user_status(rows->table, user->status);
    if (!rows->form.has_sessions) table_number(rows->table, user->session_count);
    table_string(rows->table, reason == NULL ? "" : reason);
    if (rows->form.has_sessions) table_string(rows->table, "");
}

static void print_change_row(struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                             const char *reason) {
    const bool has_sessions = rows->form.has_sessions && user->sessions != NULL && user->session_count > 0;
    rows->colour_of = change;
    if (!has_sessions) print_user(rows, change, user, reason);
    for (uint32_t i = 0; has_sessions && i < user->session_count; i++)
        print_session_change(rows, change, user->user, &user->sessions[i]);
    write_page(rows); /* the table may have printed a full block */
}

/* ---- JSON ---- */

static void write_json(const struct watch_rows *rows, json_t *object) {
    char *line = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(object);
    if (line == NULL) return;
    const size_t len = strlen(line);
    line[len] = '\n'; /* replaces the NUL: the queue takes a length */
    output_queue_write(rows->queue, line, len + 1);
    free(line);
}

static void set_integer(json_t *object, const char *key, uint64_t value) {
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Unknown values are left out. */
static void write_user(const struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                       const char *reason) {
    json_t *object = json_object();
    json_object_set_new(object, "change", json_string(change_names[change]));
    json_object_set_new(object, "scope", json_text(rows->form.scope, strlen(rows->form.scope)));
    json_object_set_new(object, "user", json_text(user->user, strlen(user->user)));
    if (user->status != MUSTER_STATUS_UNSPECIFIED)
        json_object_set_new(object, "status", json_string(value_status_name(user->status)));
    if (user->last_seen_ms != 0) json_object_set_new(object, "last_seen_ms", json_integer(user->last_seen_ms));
    if (change != WATCH_LEFT) set_integer(object, "sessions", user->session_count);
    if (change != WATCH_LEFT && rows->form.has_sessions)
        json_object_set_new(object, "session_list", json_sessions(user));
    if (reason != NULL) json_object_set_new(object, "reason", json_string(reason));
    write_json(rows, object);
}

void watch_rows_user(struct watch_rows *rows, enum watch_change change, const struct muster_user *user,
                     enum muster_left_reason reason) {
    const char *why = change == WATCH_LEFT ? reason_name(reason) : NULL;
    if (rows->table == NULL) write_user(rows, change, user, why);
    else print_change_row(rows, change, user, why);
}

void watch_rows_counts(struct watch_rows *rows, const struct muster_scope_counts *counts) {
    const uint64_t cells[] = {counts->live, counts->online, counts->away, counts->busy, counts->sessions};
    static const char *const keys[] = {"live", "online", "away", "busy", "sessions"};
    if (rows->table != NULL) {
        table_now(rows->table);
        for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) table_number(rows->table, cells[i]);
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "scope", json_text(rows->form.scope, strlen(rows->form.scope)));
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) set_integer(object, keys[i], cells[i]);
    write_json(rows, object);
}
