#include "json_line.h"

#include "memory.h"
#include "timestamp.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 32 };

#define YEAR_1990_MS INT64_C(631152000000)

struct json_line {
    enum user_field user;
    const char *user_path, *time_path;
    json_t *root;                   /* of the line that was parsed last */
    char user_digits[NUMBER_BYTES]; /* of a user who is a number */
};

/* What nginx, Caddy, Traefik, Envoy, Cloudflare and others call the fields. */
static const char *const host_paths[] = {
    "remote_addr", "request.client_ip", "request.remote_ip", "request.remote_addr",       "client_ip", "remote_ip",
    "ClientHost",  "clientip",          "remote_host",       "downstream_remote_address", "ClientIP",  NULL};
static const char *const user_paths[] = {"remote_user", "user_id", "ClientUsername", "user", "username", NULL};
static const char *const forwarded_paths[] = {"http_x_forwarded_for", "request.headers.X-Forwarded-For",
                                              "request_X-Forwarded-For", "x_forwarded_for", NULL};
static const char *const time_paths[] = {"msec",       "ts",         "time_iso8601",       "time",
                                         "timestamp",  "@timestamp", "time_local",         "StartUTC",
                                         "StartLocal", "start_time", "EdgeStartTimestamp", NULL};
static const char *const status_paths[] = {
    "status", "response.status", "DownstreamStatus", "status_code", "response_code", "EdgeResponseStatus", NULL};
static const char *const agent_paths[] = {"http_user_agent",
                                          "request.headers.User-Agent",
                                          "request_User-Agent",
                                          "user_agent",
                                          "agent",
                                          "user-agent",
                                          "ClientRequestUserAgent",
                                          NULL};

struct json_line *json_line_new(enum user_field user, const char *user_path, const char *time_path) {
    struct json_line *j = memory_new(sizeof *j);
    j->user = user;
    j->user_path = user_path;
    j->time_path = time_path;
    return j;
}

void json_line_free(struct json_line *j) {
    if (j == NULL) return;
    json_decref(j->root);
    free(j);
}

/* The value at a path: the whole path is a key, or a part of it before a point is one, and the rest a path in its
 * value. */
static json_t *value_at(json_t *object, const char *path) {
    json_t *found = json_object_get(object, path);
    for (const char *point = strchr(path, '.'); found == NULL && point != NULL; point = strchr(point + 1, '.')) {
        json_t *inner = json_object_getn(object, path, (size_t)(point - path));
        if (json_is_object(inner)) found = value_at(inner, point + 1);
    }
    return found;
}

static json_t *first_value(json_t *root, const char *path, const char *const known[]) {
    if (path != NULL) return value_at(root, path);
    json_t *found = NULL;
    for (size_t i = 0; known[i] != NULL && found == NULL; i++) found = value_at(root, known[i]);
    return found;
}

/* An item of a list, or the value itself. */
static json_t *item_of(json_t *value, bool is_last) {
    const size_t count = json_array_size(value);
    return count == 0 ? value : json_array_get(value, is_last ? count - 1 : 0);
}

static struct text text_in(const json_t *value) {
    if (!json_is_string(value)) return (struct text){NULL, 0};
    return (struct text){json_string_value(value), (uint32_t)json_string_length(value)};
}

static struct text read_user(struct json_line *j, const json_t *value) {
    if (!json_is_integer(value)) return text_in(value);
    (void)snprintf(j->user_digits, sizeof j->user_digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return text_of(j->user_digits);
}

static bool read_time(const json_t *value, int64_t *unix_ms) {
    *unix_ms = 0;
    if (json_is_number(value)) return timestamp_number(json_number_value(value), unix_ms);
    return json_is_string(value) && timestamp_any(text_in(value), unix_ms);
}

/* Without a path the first known field with a time since 1990 counts: before it there was no web server, and `time` may
 * be how long a request took. */
static bool find_time(const struct json_line *j, int64_t *unix_ms) {
    if (j->time_path != NULL) return read_time(item_of(value_at(j->root, j->time_path), false), unix_ms);
    for (size_t i = 0; time_paths[i] != NULL; i++)
        if (read_time(item_of(value_at(j->root, time_paths[i]), false), unix_ms) && *unix_ms >= YEAR_1990_MS)
            return true;
    return false;
}

/* A number, or a string of digits. */
static int read_status(const json_t *value) {
    const long long status =
        json_is_string(value) ? strtoll(json_string_value(value), NULL, 10) : json_integer_value(value);
    return status >= 100 && status <= 999 ? (int)status : 0;
}

/* False: the line has no such field. */
static bool set_user(struct json_line *j, struct access_line *out) {
    static const char *const *const known[] = {host_paths, user_paths, forwarded_paths, forwarded_paths};
    const json_t *value = item_of(first_value(j->root, j->user_path, known[j->user]), j->user == USER_FORWARDED_LAST);
    struct text *field = j->user == USER_HOST            ? &out->host
                         : j->user == USER_AUTHENTICATED ? &out->user
                                                         : &out->forwarded;
    *field = read_user(j, value);
    return value != NULL;
}

enum skip json_line_parse(struct json_line *j, struct text line, struct access_line *out) {
    *out = (struct access_line){0};
    if (line.len == 0) return SKIP_EMPTY;
    json_decref(j->root);
    j->root = json_loadb(line.data, line.len, 0, NULL);
    if (!json_is_object(j->root)) return SKIP_JSON;
    struct access_line parsed = {0};
    const bool may_be_absent = j->user_path == NULL && j->user >= USER_FORWARDED_FIRST;
    if (!set_user(j, &parsed) && !may_be_absent) return SKIP_USER_FIELD;
    if (!find_time(j, &parsed.unix_ms)) return SKIP_TIME_FIELD;
    parsed.status = read_status(item_of(first_value(j->root, NULL, status_paths), false));
    const json_t *agent = item_of(first_value(j->root, NULL, agent_paths), false);
    parsed.has_agent = json_is_string(agent);
    parsed.agent = text_in(agent);
    *out = parsed;
    return SKIP_NONE;
}
