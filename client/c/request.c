#include "request.h"

#include "client_error.h"

#include <stdio.h>
#include <stdlib.h>

/* The fields of Call. */
enum {
    CALL_TOKEN = 1,
    CALL_TOUCH = 2,
    CALL_LEAVE = 3,
    CALL_LIVE = 4,
    CALL_LIST = 5,
    CALL_COUNTS = 6,
    CALL_SCOPES = 7,
    CALL_RESET = 8,
    CALL_WATCH = 9,
    CALL_NODES = 10,
    CALL_WHERE = 11,
    CALL_SET_STATUS = 12,
};

/* The request itself is written behind this much room, for the token, the tag and the length, which are known last. */
enum { HEAD_BYTES_MAX = MUSTER_TOKEN_BYTES_MAX + 32, REQUEST_BYTES_MIN = 16 * 1024 };
/* More than the scalar fields of any part of a request take. */
enum { SCALARS_BYTES_MAX = 64 };

void request_free(struct request *request) {
    free(request->data);
    *request = (struct request){0};
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

static bool request_grow(struct request *request, size_t bytes) {
    size_t used = request->data == NULL ? HEAD_BYTES_MAX : (size_t)(request->end - request->data);
    size_t capacity = request->capacity == 0 ? REQUEST_BYTES_MIN : request->capacity;
    while (capacity - used < bytes) capacity *= 2;
    uint8_t *data = realloc(request->data, capacity);
    if (data == NULL) return false;
    request->data = data;
    request->capacity = capacity;
    request->end = data + used;
    return true;
}

/* Whether `bytes` more can be written at request->end. */
static inline bool request_room(struct request *request, size_t bytes) {
    if (request->data != NULL && request->capacity - (size_t)(request->end - request->data) >= bytes) return true;
    return request_grow(request, bytes);
}

static void request_begin(struct request *request) {
    if (request->data != NULL) request->end = request->data + HEAD_BYTES_MAX;
}

/* Puts token, tag and length in front of what was written. */
static enum muster_code request_seal(struct request *request, const char *token, unsigned number,
                                     struct muster_error *error) {
    if (!request_room(request, 1)) return client_error_no_memory(error);
    uint8_t *body = request->data + HEAD_BYTES_MAX;
    size_t body_len = (size_t)(request->end - body);
    size_t token_len = token == NULL ? 0 : strlen(token);
    size_t head = pb_text_size(token_len) + 1 + pb_varint_size(body_len);
    request->start = body - head;
    uint8_t *at = pb_put_text(request->start, CALL_TOKEN, token, token_len);
    *at++ = (uint8_t)PB_TAG(number, PB_BYTES);
    pb_put_varint(at, body_len);
    if (head + body_len > MUSTER_MESSAGE_BYTES_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "request: %zu bytes, at most %d", head + body_len,
                                MUSTER_MESSAGE_BYTES_MAX);
    return client_error_none(error);
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/* A string of the caller with its length; a longer one than the limit has the limit + 1. */
struct string {
    const char *data;
    size_t len;
};

static inline struct string string_of(const char *data, size_t limit) {
    return (struct string){data, data == NULL ? 0 : strnlen(data, limit + 1)};
}

static inline struct string id_of(const char *data) {
    return string_of(data, MUSTER_ID_BYTES_MAX);
}

/* Where a field stands, for a message: "beats[3].user", or "scope" where there is no array. */
struct field_path {
    const char *array;
    size_t index;
};

static const struct field_path top = {0};

enum { PATH_BYTES_MAX = 64 };

static const char *path_text(char text[PATH_BYTES_MAX], struct field_path path, const char *field) {
    const char *dot = field[0] == '\0' ? "" : ".";
    if (path.array == NULL) return field;
    snprintf(text, PATH_BYTES_MAX, "%s[%zu]%s%s", path.array, path.index, dot, field);
    return text;
}

static enum muster_code refuse_id(struct string id, struct field_path path, const char *field,
                                  struct muster_error *error) {
    char text[PATH_BYTES_MAX];
    const char *name = path_text(text, path, field);
    if (id.len == 0)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: empty, 1 to %d bytes", name, MUSTER_ID_BYTES_MAX);
    return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: %zu bytes, at most %d", name, strlen(id.data),
                            MUSTER_ID_BYTES_MAX);
}

static enum muster_code check_range(uint64_t value, uint64_t least, uint64_t most, struct field_path path,
                                    const char *field, struct muster_error *error) {
    if (value >= least && value <= most) return MUSTER_OK;
    char text[PATH_BYTES_MAX];
    bool is_low = value < least;
    return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: %llu, at %s %llu", path_text(text, path, field),
                            (unsigned long long)value, is_low ? "least" : "most",
                            (unsigned long long)(is_low ? least : most));
}

static enum muster_code check_optional_id(struct string id, struct field_path path, const char *field,
                                          struct muster_error *error) {
    return id.len <= MUSTER_ID_BYTES_MAX ? MUSTER_OK : refuse_id(id, path, field, error);
}

static inline enum muster_code check_ttl(uint32_t ttl_ms, struct field_path path, struct muster_error *error) {
    return ttl_ms == 0 ? MUSTER_OK : check_range(ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, path, "ttl_ms", error);
}

static enum muster_code check_count(const void *array, size_t count, size_t least, size_t most, const char *field,
                                    struct muster_error *error) {
    if (count < least) return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: none, at least %zu", field, least);
    if (count > most)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: %zu, at most %zu", field, count, most);
    if (count != 0 && array == NULL) return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: NULL", field);
    return MUSTER_OK;
}

static enum muster_code check_page_token(struct string token, struct muster_error *error) {
    if (token.len <= MUSTER_TOKEN_BYTES_MAX) return MUSTER_OK;
    return client_error_set(error, MUSTER_INVALID_ARGUMENT, "page_token: more than %d bytes", MUSTER_TOKEN_BYTES_MAX);
}

/* ---- Touch ------------------------------------------------------------------------------------------------------- */

struct beat_strings {
    struct string scope, user, session;
};

static enum muster_code refuse_state(size_t len, struct field_path path, struct muster_error *error) {
    char text[PATH_BYTES_MAX];
    const char *name = path_text(text, path, "state");
    if (len <= MUSTER_STATE_BYTES_MAX)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: NULL, but of %zu bytes", name, len);
    return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: %zu bytes, at most %d", name, len,
                            MUSTER_STATE_BYTES_MAX);
}

/* A refresh keeps status and state: it must not seem to set them. */
static enum muster_code refuse_refresh(const struct muster_beat *beat, struct field_path path,
                                       struct muster_error *error) {
    char text[PATH_BYTES_MAX];
    const char *field = beat->state_len != 0 ? "state" : "status";
    return client_error_set(error, MUSTER_INVALID_ARGUMENT, "%s: must be unset in a refresh",
                            path_text(text, path, field));
}

static inline enum muster_code beat_check(const struct muster_beat *beat, const struct beat_strings *strings,
                                          struct field_path path, struct muster_error *error) {
    if (strings->scope.len > MUSTER_ID_BYTES_MAX) return refuse_id(strings->scope, path, "scope", error);
    if (strings->user.len - 1 >= MUSTER_ID_BYTES_MAX) return refuse_id(strings->user, path, "user", error);
    if (strings->session.len > MUSTER_ID_BYTES_MAX) return refuse_id(strings->session, path, "session", error);
    if ((unsigned)beat->status > MUSTER_STATUS_BUSY)
        return check_range((unsigned)beat->status, 0, MUSTER_STATUS_BUSY, path, "status", error);
    if (beat->state_len > MUSTER_STATE_BYTES_MAX) return refuse_state(beat->state_len, path, error);
    if (beat->state_len != 0 && beat->state == NULL) return refuse_state(beat->state_len, path, error);
    return check_ttl(beat->ttl_ms, path, error);
}

static inline struct beat_strings beat_strings_of(const struct muster_beat *beat) {
    return (struct beat_strings){id_of(beat->scope), id_of(beat->user), id_of(beat->session)};
}

enum muster_code check_beat(const struct muster_beat *beat, struct muster_error *error) {
    struct beat_strings strings = beat_strings_of(beat);
    return beat_check(beat, &strings, top, error);
}

/* Beat: scope 1, user 2, session 3, ttl_ms 4, status 5, state 6, refresh 7; it is field 3 of TouchRequest. */
static uint8_t *put_beat(uint8_t *at, const struct muster_beat *beat, const struct beat_strings *strings,
                         bool is_refresh) {
    size_t size = pb_text_size(strings->scope.len) + pb_text_size(strings->user.len) +
                  pb_text_size(strings->session.len) + pb_number_size(beat->ttl_ms) + pb_number_size(beat->status) +
                  pb_text_size(beat->state_len) + pb_number_size(is_refresh);
    *at++ = (uint8_t)PB_TAG(3, PB_BYTES);
    at = pb_put_varint(at, size);
    at = pb_put_text(at, 1, strings->scope.data, strings->scope.len);
    at = pb_put_text(at, 2, strings->user.data, strings->user.len);
    at = pb_put_text(at, 3, strings->session.data, strings->session.len);
    at = pb_put_number(at, 4, beat->ttl_ms);
    at = pb_put_number(at, 5, beat->status);
    at = pb_put_text(at, 6, beat->state, beat->state_len);
    return pb_put_number(at, 7, is_refresh);
}

enum muster_code request_beats(struct request *request, const char *token, const char *scope, uint32_t ttl_ms,
                               const struct muster_beat *beats, size_t count, struct refreshes refreshes,
                               struct muster_error *error) {
    struct string scope_id = id_of(scope);
    enum muster_code code;
    if ((code = check_optional_id(scope_id, top, "scope", error)) != MUSTER_OK) return code;
    if ((code = check_ttl(ttl_ms, top, error)) != MUSTER_OK) return code;
    if ((code = check_count(beats, count, 1, MUSTER_BEATS_MAX, "beats", error)) != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope_id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 1, scope_id.data, scope_id.len);
    request->end = pb_put_number(request->end, 2, ttl_ms);
    request->least_ttl_ms = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        struct beat_strings strings = beat_strings_of(&beats[i]);
        uint32_t beat_ttl_ms = beats[i].ttl_ms != 0 ? beats[i].ttl_ms : ttl_ms;
        if (beat_ttl_ms == 0) beat_ttl_ms = MUSTER_TTL_DEFAULT_MS;
        if (beat_ttl_ms < request->least_ttl_ms) request->least_ttl_ms = beat_ttl_ms;
        if ((code = beat_check(&beats[i], &strings, (struct field_path){"beats", i}, error)) != MUSTER_OK) return code;
        bool is_refresh = refreshes.all || (refreshes.some != NULL && refreshes.some[i]);
        if (is_refresh && (beats[i].state_len != 0 || beats[i].status != MUSTER_STATUS_UNSPECIFIED))
            return refuse_refresh(&beats[i], (struct field_path){"beats", i}, error);
        size_t bytes = strings.scope.len + strings.user.len + strings.session.len + beats[i].state_len;
        if (!request_room(request, bytes + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
        request->end = put_beat(request->end, &beats[i], &strings, is_refresh);
    }
    return request_seal(request, token, CALL_TOUCH, error);
}

/* ---- Leave ------------------------------------------------------------------------------------------------------- */

/* Departure: scope 1, user 2, session 3, all_sessions 4; it is field 2 of LeaveRequest. */
static enum muster_code put_departure(struct request *request, const struct muster_departure *departure, size_t index,
                                      struct muster_error *error) {
    struct field_path path = {"departures", index};
    struct string scope = id_of(departure->scope), user = id_of(departure->user), session = id_of(departure->session);
    enum muster_code code;
    if ((code = check_optional_id(scope, path, "scope", error)) != MUSTER_OK) return code;
    if (user.len - 1 >= MUSTER_ID_BYTES_MAX) return refuse_id(user, path, "user", error);
    if ((code = check_optional_id(session, path, "session", error)) != MUSTER_OK) return code;
    if (departure->all_sessions && session.len != 0)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT,
                                "departures[%zu].session: must be unset with all_sessions", index);
    if (!request_room(request, scope.len + user.len + session.len + SCALARS_BYTES_MAX))
        return client_error_no_memory(error);
    uint8_t *at = request->end;
    *at++ = (uint8_t)PB_TAG(2, PB_BYTES);
    at = pb_put_varint(at, pb_text_size(scope.len) + pb_text_size(user.len) + pb_text_size(session.len) +
                               pb_number_size(departure->all_sessions));
    at = pb_put_text(at, 1, scope.data, scope.len);
    at = pb_put_text(at, 2, user.data, user.len);
    at = pb_put_text(at, 3, session.data, session.len);
    request->end = pb_put_number(at, 4, departure->all_sessions);
    return MUSTER_OK;
}

enum muster_code request_leave(struct request *request, const char *token, const char *scope,
                               const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                               uint64_t stamp, struct muster_error *error) {
    struct string scope_id = id_of(scope);
    enum muster_code code;
    if ((code = check_optional_id(scope_id, top, "scope", error)) != MUSTER_OK) return code;
    if ((code = check_count(departures, count, 1, MUSTER_BEATS_MAX, "departures", error)) != MUSTER_OK) return code;
    if ((code = check_range(linger_ms, 0, MUSTER_LINGER_MAX_MS, top, "linger_ms", error)) != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope_id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 1, scope_id.data, scope_id.len);
    for (size_t i = 0; i < count; i++) {
        if ((code = put_departure(request, &departures[i], i, error)) != MUSTER_OK) return code;
    }
    if (!request_room(request, SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_number(request->end, 3, linger_ms);
    request->stamp = stamp;
    request->stamp_offset = (size_t)(request->end - request->data);
    request->end = pb_put_number(request->end, 4, stamp);
    return request_seal(request, token, CALL_LEAVE, error);
}

/* request_leave made room for any stamp. */
void request_raise_stamp(struct request *request, const char *token, uint64_t stamp) {
    if (stamp <= request->stamp) return;
    size_t grown = pb_number_size(stamp) - pb_number_size(request->stamp) + PB_LENGTH_BYTES_MAX;
    if (request_bytes(request).len + grown > MUSTER_MESSAGE_BYTES_MAX) return;
    request->stamp = stamp;
    request->end = pb_put_number(request->data + request->stamp_offset, 4, stamp);
    struct muster_error error;
    request_seal(request, token, CALL_LEAVE, &error);
}

/* ---- SetStatus --------------------------------------------------------------------------------------------------- */

/* SetStatusRequest: scope 1, user 2, status 3, ttl_ms 4. */
enum muster_code request_set_status(struct request *request, const char *token, const char *scope, const char *user,
                                    enum muster_status status, uint32_t ttl_ms, struct muster_error *error) {
    struct string scope_id = id_of(scope), user_id = id_of(user);
    enum muster_code code;
    if ((code = check_optional_id(scope_id, top, "scope", error)) != MUSTER_OK) return code;
    if (user_id.len - 1 >= MUSTER_ID_BYTES_MAX) return refuse_id(user_id, top, "user", error);
    if ((code = check_range((unsigned)status, 0, MUSTER_STATUS_BUSY, top, "status", error)) != MUSTER_OK) return code;
    if (ttl_ms != 0) code = check_range(ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_STATUS_TTL_MAX_MS, top, "ttl_ms", error);
    if (code != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope_id.len + user_id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    uint8_t *at = pb_put_text(request->end, 1, scope_id.data, scope_id.len);
    at = pb_put_text(at, 2, user_id.data, user_id.len);
    at = pb_put_number(at, 3, status);
    request->end = pb_put_number(at, 4, ttl_ms);
    return request_seal(request, token, CALL_SET_STATUS, error);
}

/* ---- the reads --------------------------------------------------------------------------------------------------- */

/* One id of an array of them, as field `number`. */
static inline enum muster_code put_id(struct request *request, unsigned number, const char *data,
                                      struct field_path path, struct muster_error *error) {
    struct string id = id_of(data);
    if (id.len - 1 >= MUSTER_ID_BYTES_MAX) return refuse_id(id, path, "", error);
    if (!request_room(request, id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, number, id.data, id.len);
    return MUSTER_OK;
}

enum muster_code request_live(struct request *request, const char *token, const char *scope, const char *const *users,
                              size_t count, bool with_sessions, struct muster_error *error) {
    struct string scope_id = id_of(scope);
    enum muster_code code;
    if ((code = check_optional_id(scope_id, top, "scope", error)) != MUSTER_OK) return code;
    if ((code = check_count(users, count, 1, MUSTER_USERS_MAX, "users", error)) != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope_id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 1, scope_id.data, scope_id.len);
    for (size_t i = 0; i < count; i++) {
        if ((code = put_id(request, 2, users[i], (struct field_path){"users", i}, error)) != MUSTER_OK) return code;
    }
    if (!request_room(request, SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_number(request->end, 3, with_sessions);
    return request_seal(request, token, CALL_LIVE, error);
}

static enum muster_code check_query(const struct muster_query *query, struct string scope, struct string page_token,
                                    struct muster_error *error) {
    enum muster_code code;
    if ((code = check_optional_id(scope, top, "scope", error)) != MUSTER_OK) return code;
    if ((code = check_page_token(page_token, error)) != MUSTER_OK) return code;
    if ((code = check_range(query->page_size, 0, MUSTER_PAGE_MAX, top, "page_size", error)) != MUSTER_OK) return code;
    if ((code = check_range(query->recent, 0, MUSTER_PAGE_MAX, top, "recent", error)) != MUSTER_OK) return code;
    if (query->recent != 0 && (query->page_size != 0 || page_token.len != 0))
        return client_error_set(error, MUSTER_INVALID_ARGUMENT,
                                "recent: page_size and page_token must be unset with it");
    if ((query->statuses & ~(unsigned)(MUSTER_FILTER_AWAY | MUSTER_FILTER_ONLINE | MUSTER_FILTER_BUSY)) != 0)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "statuses: 0x%x has bits that are no MUSTER_FILTER_",
                                query->statuses);
    return MUSTER_OK;
}

enum muster_code request_list(struct request *request, const char *token, const struct muster_query *query,
                              struct muster_error *error) {
    struct string scope = id_of(query->scope), page_token = string_of(query->page_token, MUSTER_TOKEN_BYTES_MAX);
    enum muster_code code = check_query(query, scope, page_token, error);
    if (code != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope.len + page_token.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    uint8_t *at = pb_put_text(request->end, 1, scope.data, scope.len);
    at = pb_put_number(at, 2, query->page_size);
    at = pb_put_text(at, 3, page_token.data, page_token.len);
    for (unsigned status = MUSTER_STATUS_AWAY; status <= MUSTER_STATUS_BUSY; status++) {
        if ((query->statuses & 1u << status) != 0) at = pb_put_number(at, 4, status);
    }
    at = pb_put_number(at, 5, query->recent);
    request->end = pb_put_number(at, 6, query->with_sessions);
    return request_seal(request, token, CALL_LIST, error);
}

/* Numbers in an array are packed: one bytes field that holds them all. */
static enum muster_code put_windows(struct request *request, const uint64_t *windows_ms, size_t count,
                                    struct muster_error *error) {
    uint8_t packed[MUSTER_WINDOWS_MAX * PB_VARINT_BYTES_MAX], *at = packed;
    for (size_t i = 0; i < count; i++) {
        enum muster_code code =
            check_range(windows_ms[i], 1, MUSTER_RETENTION_MAX_MS, (struct field_path){"windows_ms", i}, "", error);
        if (code != MUSTER_OK) return code;
        at = pb_put_varint(at, windows_ms[i]);
    }
    if (!request_room(request, sizeof packed + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 2, packed, (size_t)(at - packed));
    return MUSTER_OK;
}

enum muster_code request_counts(struct request *request, const char *token, const char *const *scopes,
                                size_t scope_count, const uint64_t *windows_ms, size_t window_count,
                                struct muster_error *error) {
    enum muster_code code = check_count(scopes, scope_count, 0, MUSTER_COUNTS_SCOPES_MAX, "scopes", error);
    if (code != MUSTER_OK) return code;
    if ((code = check_count(windows_ms, window_count, 0, MUSTER_WINDOWS_MAX, "windows_ms", error)) != MUSTER_OK)
        return code;
    request_begin(request);
    for (size_t i = 0; i < scope_count; i++) {
        if ((code = put_id(request, 1, scopes[i], (struct field_path){"scopes", i}, error)) != MUSTER_OK) return code;
    }
    if ((code = put_windows(request, windows_ms, window_count, error)) != MUSTER_OK) return code;
    return request_seal(request, token, CALL_COUNTS, error);
}

enum muster_code request_scopes(struct request *request, const char *token, uint32_t page_size, const char *page_token,
                                struct muster_error *error) {
    struct string page = string_of(page_token, MUSTER_TOKEN_BYTES_MAX);
    enum muster_code code = check_page_token(page, error);
    if (code != MUSTER_OK) return code;
    if ((code = check_range(page_size, 0, MUSTER_PAGE_MAX, top, "page_size", error)) != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, page.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_number(request->end, 1, page_size);
    request->end = pb_put_text(request->end, 2, page.data, page.len);
    return request_seal(request, token, CALL_SCOPES, error);
}

static enum muster_code check_where(const struct muster_where_query *query, struct string prefix,
                                    struct string page_token, struct muster_error *error) {
    enum muster_code code;
    if ((code = check_count(query->users, query->user_count, 1, MUSTER_WHERE_USERS_MAX, "users", error)) != MUSTER_OK)
        return code;
    if ((code = check_optional_id(prefix, top, "scope_prefix", error)) != MUSTER_OK) return code;
    if ((code = check_range(query->page_size, 0, MUSTER_PAGE_MAX, top, "page_size", error)) != MUSTER_OK) return code;
    return check_page_token(page_token, error);
}

/* WhereRequest: users 1, scope_prefix 2, page_size 3, page_token 4, sessions 5. */
enum muster_code request_where(struct request *request, const char *token, const struct muster_where_query *query,
                               struct muster_error *error) {
    struct string prefix = id_of(query->scope_prefix),
                  page_token = string_of(query->page_token, MUSTER_TOKEN_BYTES_MAX);
    enum muster_code code = check_where(query, prefix, page_token, error);
    if (code != MUSTER_OK) return code;
    request_begin(request);
    for (size_t i = 0; i < query->user_count; i++) {
        if ((code = put_id(request, 1, query->users[i], (struct field_path){"users", i}, error)) != MUSTER_OK)
            return code;
    }
    if (!request_room(request, prefix.len + page_token.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    uint8_t *at = pb_put_text(request->end, 2, prefix.data, prefix.len);
    at = pb_put_number(at, 3, query->page_size);
    at = pb_put_text(at, 4, page_token.data, page_token.len);
    request->end = pb_put_number(at, 5, query->with_sessions);
    return request_seal(request, token, CALL_WHERE, error);
}

enum muster_code request_reset(struct request *request, const char *token, const char *scope,
                               struct muster_error *error) {
    struct string id = id_of(scope);
    enum muster_code code = check_optional_id(id, top, "scope", error);
    if (code != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, id.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 1, id.data, id.len);
    return request_seal(request, token, CALL_RESET, error);
}

static enum muster_code check_watch(const struct muster_watch_options *options, struct string scope,
                                    struct muster_error *error) {
    enum muster_code code;
    if ((code = check_optional_id(scope, top, "scope", error)) != MUSTER_OK) return code;
    if ((code = check_count(options->users, options->user_count, 0, MUSTER_WATCH_USERS_MAX, "users", error)) !=
        MUSTER_OK)
        return code;
    if (options->counts_only && options->user_count != 0)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "users: must be none with counts_only");
    if (options->counts_only && options->with_sessions)
        return client_error_set(error, MUSTER_INVALID_ARGUMENT, "with_sessions: must be unset with counts_only");
    code = check_range(options->max_wait_ms, 0, MUSTER_WATCH_WAIT_MAX_MS, top, "max_wait_ms", error);
    if (code != MUSTER_OK) return code;
    return check_range(options->min_interval_ms, 0, MUSTER_WATCH_INTERVAL_MAX_MS, top, "min_interval_ms", error);
}

/* WatchRequest: scope 1, users 2, counts 3, sessions 4, cursor 5, max_wait_ms 6, min_interval_ms 7. */
enum muster_code request_watch(struct request *request, const char *token, const struct muster_watch_options *options,
                               struct text cursor, struct muster_error *error) {
    struct string scope = id_of(options->scope);
    enum muster_code code = check_watch(options, scope, error);
    if (code != MUSTER_OK) return code;
    request_begin(request);
    if (!request_room(request, scope.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    request->end = pb_put_text(request->end, 1, scope.data, scope.len);
    for (size_t i = 0; i < options->user_count; i++) {
        if ((code = put_id(request, 2, options->users[i], (struct field_path){"users", i}, error)) != MUSTER_OK)
            return code;
    }
    if (!request_room(request, cursor.len + SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    uint8_t *at = pb_put_number(request->end, 3, options->counts_only);
    at = pb_put_number(at, 4, options->with_sessions);
    at = pb_put_text(at, 5, cursor.data, cursor.len);
    at = pb_put_number(at, 6, options->max_wait_ms);
    request->end = pb_put_number(at, 7, options->min_interval_ms);
    return request_seal(request, token, CALL_WATCH, error);
}

enum muster_code request_nodes(struct request *request, const char *token, struct muster_error *error) {
    request_begin(request);
    if (!request_room(request, SCALARS_BYTES_MAX)) return client_error_no_memory(error);
    return request_seal(request, token, CALL_NODES, error);
}
