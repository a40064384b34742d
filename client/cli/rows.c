#include "rows.h"

#include "common/duration.h"
#include "common/utf8.h"
#include "datetime.h"
#include "escape.h"
#include "memory.h"
#include "values.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct user_rows {
    struct table *table; /* NULL: JSON */
    bool has_sessions;
    bool has_scopes; /* the users are of several scopes */
    const char *scope;
};

void json_print(json_t *object) {
    (void)json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(object);
}

json_t *json_text(const char *data, size_t len) {
    json_t *string = json_stringn(data, len);
    if (string != NULL) return string;
    char *escaped = memory_new(len * ESCAPE_GROWTH + 1);
    string = json_stringn(escaped, text_escape(data, len, escaped));
    free(escaped);
    return string;
}

/* The columns of a table, without that of the scope where all rows have the same one. */
static struct table *table_of_users(bool has_sessions, bool has_scopes) {
    static const struct table_column users[] = {{"USER", 'l'},   {"SCOPE", 'l'},     {"LIVE", 'l'},
                                                {"STATUS", 'l'}, {"LAST SEEN", 'l'}, {"SESSIONS", 'r'}};
    static const struct table_column sessions[] = {{"USER", 'l'},   {"SCOPE", 'l'},     {"LIVE", 'l'}, {"SESSION", 'l'},
                                                   {"STATUS", 'l'}, {"LAST SEEN", 'l'}, {"TTL", 'r'},  {"STATE", 'l'}};
    struct table_column columns[TABLE_COLUMNS_MAX];
    const struct table_column *all = has_sessions ? sessions : users;
    const size_t all_count = has_sessions ? sizeof sessions / sizeof sessions[0] : sizeof users / sizeof users[0];
    size_t count = 0;
    for (size_t i = 0; i < all_count; i++)
        if (i != 1 || has_scopes) columns[count++] = all[i];
    return table_new(stdout, columns, count);
}

static struct user_rows *new_rows(bool is_json, bool has_sessions, bool has_scopes) {
    struct user_rows *rows = memory_new(sizeof *rows);
    rows->has_sessions = has_sessions;
    rows->has_scopes = has_scopes;
    rows->scope = MUSTER_SCOPE_DEFAULT;
    if (!is_json) rows->table = table_of_users(has_sessions, has_scopes);
    return rows;
}

struct user_rows *user_rows_new(bool is_json, bool has_sessions, const char *scope) {
    struct user_rows *rows = new_rows(is_json, has_sessions, false);
    if (scope != NULL && *scope != '\0') rows->scope = scope;
    return rows;
}

struct user_rows *user_rows_new_of_scopes(bool is_json, bool has_sessions) {
    return new_rows(is_json, has_sessions, true);
}

void user_rows_scope(struct user_rows *rows, const char *scope) {
    rows->scope = scope;
}

static void set_state(json_t *object, const struct muster_session *session) {
    if (session->state_len == 0) return;
    if (utf8_valid(session->state, session->state_len)) {
        json_object_set_new(object, "state", json_text(session->state, session->state_len));
        return;
    }
    char encoded[sodium_base64_ENCODED_LEN(MUSTER_STATE_BYTES_MAX, sodium_base64_VARIANT_ORIGINAL)];
    if (session->state_len > MUSTER_STATE_BYTES_MAX) return;
    (void)sodium_bin2base64(encoded, sizeof encoded, session->state, session->state_len,
                            sodium_base64_VARIANT_ORIGINAL);
    json_object_set_new(object, "state_base64", json_string(encoded));
}

json_t *json_sessions(const struct muster_user *user) {
    json_t *list = json_array();
    for (uint32_t i = 0; user->sessions != NULL && i < user->session_count; i++) {
        const struct muster_session *session = &user->sessions[i];
        json_t *object = json_object();
        json_object_set_new(object, "session", json_text(session->session, strlen(session->session)));
        json_object_set_new(object, "status", json_string(value_status_name(session->status)));
        json_object_set_new(object, "last_seen_ms", json_integer(session->last_seen_ms));
        json_object_set_new(object, "ttl_ms", json_integer(session->ttl_ms));
        set_state(object, session);
        json_array_append_new(list, object);
    }
    return list;
}

static void print_user_json(const struct user_rows *rows, const char *name, const struct muster_user *user) {
    json_t *object = json_object();
    if (rows->has_scopes) json_object_set_new(object, "user", json_text(name, strlen(name)));
    json_object_set_new(object, "scope", json_text(rows->scope, strlen(rows->scope)));
    if (!rows->has_scopes) json_object_set_new(object, "user", json_text(name, strlen(name)));
    json_object_set_new(object, "live", json_boolean(user->is_live));
    if (user->status != MUSTER_STATUS_UNSPECIFIED)
        json_object_set_new(object, "status", json_string(value_status_name(user->status)));
    if (user->last_seen_ms != 0) json_object_set_new(object, "last_seen_ms", json_integer(user->last_seen_ms));
    json_object_set_new(object, "sessions", json_integer(user->session_count));
    if (rows->has_sessions) json_object_set_new(object, "session_list", json_sessions(user));
    json_print(object);
}

void table_user_status(struct table *table, enum muster_status status) {
    table_string(table, status == MUSTER_STATUS_UNSPECIFIED ? "-" : value_status_name(status));
}

static void table_time(struct table *table, int64_t unix_ms) {
    char text[DATETIME_TEXT_BYTES] = "-";
    if (unix_ms != 0) datetime_format(unix_ms - unix_ms % 1000, text);
    table_string(table, text);
}

static void table_user(const struct user_rows *rows, const char *name) {
    table_string(rows->table, name);
    if (rows->has_scopes) table_string(rows->table, rows->scope);
}

static void print_session_row(const struct user_rows *rows, const char *name, const struct muster_session *session) {
    char ttl[DURATION_BYTES];
    struct table *table = rows->table;
    table_user(rows, name);
    table_string(table, "yes");
    table_string(table, *session->session == '\0' ? "-" : session->session);
    table_user_status(table, session->status);
    table_time(table, session->last_seen_ms);
    table_string(table, duration_format(session->ttl_ms, ttl));
    table_text(table, session->state, session->state_len);
}

static void print_without_sessions(const struct user_rows *rows, const char *name, const struct muster_user *user) {
    struct table *table = rows->table;
    table_user(rows, name);
    table_string(table, user->is_live ? "yes" : "no");
    table_string(table, "-");
    table_user_status(table, user->status);
    table_time(table, user->last_seen_ms);
    table_string(table, "-");
    table_string(table, "");
}

void user_rows_print(struct user_rows *rows, const char *name, const struct muster_user *user) {
    if (rows->table == NULL) {
        print_user_json(rows, name, user);
    } else if (!rows->has_sessions) {
        table_user(rows, name);
        table_string(rows->table, user->is_live ? "yes" : "no");
        table_user_status(rows->table, user->status);
        table_time(rows->table, user->last_seen_ms);
        table_number(rows->table, user->session_count);
    } else if (user->sessions == NULL || user->session_count == 0) {
        print_without_sessions(rows, name, user);
    } else {
        for (uint32_t i = 0; i < user->session_count; i++) print_session_row(rows, name, &user->sessions[i]);
    }
}

void user_rows_finish(struct user_rows *rows, int status) {
    if (rows == NULL) return;
    if (status == STATUS_DONE) table_finish(rows->table);
    else table_break_off(rows->table);
    free(rows);
}
