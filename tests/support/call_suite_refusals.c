#include "call_suite.h"
#include "muster/codes.h"
#include "muster/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

/* ---- fields, each request with something good in it that must not happen ---- */

static ProtobufCBinaryData nul_at(struct request_builder *d, size_t len, size_t at) {
    ProtobufCBinaryData bytes = builder_filled(d, 'x', len);
    bytes.data[at] = 0;
    return bytes;
}

static Muster__V1__Beat *touch_with(struct request_builder *d) {
    builder_touch(d, "refused");
    builder_beat(d, "innocent", "");
    return builder_beat(d, "ada", "tab");
}

static Muster__V1__Departure *leave_with(struct request_builder *d) {
    builder_leave(d, "refused");
    builder_departure(d, "stays", "");
    return builder_departure(d, "ada", "tab");
}

static void live_with(struct request_builder *d, ProtobufCBinaryData user) {
    builder_live(d, "refused");
    builder_user(d, builder_bytes("ada"));
    builder_user(d, user);
}

static void user_empty(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("");
}
static void user_long(struct request_builder *d) {
    touch_with(d)->user = builder_filled(d, 'x', 129);
}
static void user_broken(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("ab\xc3(");
}
static void user_overlong(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("\xc0\x80");
}
static void user_surrogate(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("\xed\xa0\x80");
}
static void user_past_unicode(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("\xf4\x90\x80\x80");
}
static void user_cut(struct request_builder *d) {
    touch_with(d)->user = builder_bytes("12345678\xe2\x82");
}
static void user_nul(struct request_builder *d) {
    touch_with(d)->user = nul_at(d, 3, 1);
}
static void user_nul_late(struct request_builder *d) {
    touch_with(d)->user = nul_at(d, 20, 13);
}
static void refresh_status(struct request_builder *d) {
    Muster__V1__Beat *beat = touch_with(d);
    beat->refresh = true;
    beat->status = MUSTER__V1__STATUS__STATUS_AWAY;
}
static void refresh_state(struct request_builder *d) {
    Muster__V1__Beat *beat = touch_with(d);
    beat->refresh = true;
    beat->state = builder_bytes("typing");
}
static void session_long(struct request_builder *d) {
    touch_with(d)->session = builder_filled(d, 'x', 129);
}
static void session_broken(struct request_builder *d) {
    touch_with(d)->session = builder_bytes("\xff");
}
static void scope_long(struct request_builder *d) {
    touch_with(d)->scope = builder_filled(d, 'x', 129);
}
static void scope_broken(struct request_builder *d) {
    touch_with(d)->scope = builder_bytes("\x80");
}
static void request_scope_long(struct request_builder *d) {
    touch_with(d);
    d->touch.scope = builder_filled(d, 's', 200);
}
static void status_unknown(struct request_builder *d) {
    touch_with(d)->status = (Muster__V1__Status)4;
}
static void status_wraps(struct request_builder *d) {
    touch_with(d)->status = (Muster__V1__Status)258;
}
static void status_negative(struct request_builder *d) {
    touch_with(d)->status = (Muster__V1__Status)-1;
}
static void ttl_small(struct request_builder *d) {
    touch_with(d)->ttl_ms = 999;
}
static void ttl_large(struct request_builder *d) {
    touch_with(d)->ttl_ms = 86400001;
}
static void request_ttl_small(struct request_builder *d) {
    touch_with(d);
    d->touch.ttl_ms = 1;
}
static void request_ttl_large(struct request_builder *d) {
    touch_with(d);
    d->touch.ttl_ms = UINT32_MAX;
}
static void state_large(struct request_builder *d) {
    touch_with(d)->state = builder_filled(d, 's', 1025);
}
static void beats_none(struct request_builder *d) {
    builder_touch(d, "refused");
}
static void beats_many(struct request_builder *d) {
    builder_touch(d, "refused");
    for (int i = 0; i < 10001; i++) builder_beat(d, "innocent", "");
}
static void token_long(struct request_builder *d) {
    touch_with(d);
    d->call.token = builder_filled(d, 't', 4097);
}

static void leave_none(struct request_builder *d) {
    builder_leave(d, "refused");
}
static void leave_user_empty(struct request_builder *d) {
    leave_with(d)->user = builder_bytes("");
}
static void leave_session_long(struct request_builder *d) {
    leave_with(d)->session = builder_filled(d, 'x', 129);
}
static void leave_scope_broken(struct request_builder *d) {
    leave_with(d)->scope = builder_bytes("\xfe");
}
static void leave_both(struct request_builder *d) {
    leave_with(d)->all_sessions = true;
}
static void leave_linger_large(struct request_builder *d) {
    leave_with(d);
    d->leave.linger_ms = 86400001;
}
static void leave_stamp_future(struct request_builder *d) {
    leave_with(d);
    d->leave.stamp = UINT64_MAX;
}
static void leave_many(struct request_builder *d) {
    builder_leave(d, "refused");
    for (int i = 0; i < 10001; i++) builder_departure(d, "stays", "");
}

static void live_none(struct request_builder *d) {
    builder_live(d, "refused");
}
static void live_user_empty(struct request_builder *d) {
    live_with(d, builder_bytes(""));
}
static void live_user_long(struct request_builder *d) {
    live_with(d, builder_bytes("x"));
    d->live.users[1] = builder_filled(d, 'x', 129);
}
static void live_user_nul(struct request_builder *d) {
    live_with(d, builder_bytes("x"));
    d->live.users[1] = nul_at(d, 1, 0);
}
static void live_scope_broken(struct request_builder *d) {
    live_with(d, builder_bytes("x"));
    d->live.scope = builder_bytes("\xc3");
}
static void live_many(struct request_builder *d) {
    builder_live(d, "refused");
    for (int i = 0; i < 10001; i++) builder_user(d, builder_bytes("x"));
}

static void list_page_large(struct request_builder *d) {
    builder_list(d, "refused");
    d->list.page_size = 10001;
}
static void list_status_none(struct request_builder *d) {
    builder_list(d, "refused");
    builder_status(d, 2);
    builder_status(d, 0);
}
static void list_status_unknown(struct request_builder *d) {
    builder_list(d, "refused");
    builder_status(d, 77);
}
static void list_recent_large(struct request_builder *d) {
    builder_list(d, "refused");
    d->list.recent = 10001;
}
static void list_recent_and_size(struct request_builder *d) {
    builder_list(d, "refused");
    d->list.recent = 5;
    d->list.page_size = 5;
}
static void list_recent_and_token(struct request_builder *d) {
    builder_list(d, "refused");
    d->list.recent = 5;
    d->list.page_token = builder_bytes("x");
}
static void list_scope_long(struct request_builder *d) {
    builder_list(d, "");
    d->list.scope = builder_filled(d, 'x', 129);
}

static void where_with(struct request_builder *d, ProtobufCBinaryData user) {
    builder_where(d, "");
    builder_where_user(d, builder_bytes("ada"));
    builder_where_user(d, user);
}
static void where_none(struct request_builder *d) {
    builder_where(d, "");
}
static void where_many(struct request_builder *d) {
    builder_where(d, "");
    for (size_t i = 0; i < 1001; i++) builder_where_user(d, builder_bytes("ada"));
}
static void where_user_empty(struct request_builder *d) {
    where_with(d, builder_bytes(""));
}
static void where_prefix_long(struct request_builder *d) {
    where_with(d, builder_bytes("bob"));
    d->where.scope_prefix = builder_filled(d, 'x', 129);
}
static void where_prefix_broken(struct request_builder *d) {
    where_with(d, builder_bytes("bob"));
    d->where.scope_prefix = builder_bytes("\x80");
}
static void where_page_large(struct request_builder *d) {
    where_with(d, builder_bytes("bob"));
    d->where.page_size = 10001;
}
static void where_token(struct request_builder *d) {
    where_with(d, builder_bytes("bob"));
    d->where.page_token = builder_bytes("7");
}
static void counts_window_zero(struct request_builder *d) {
    builder_counts(d);
    builder_window(d, 1000);
    builder_window(d, 0);
}
static void counts_window_long(struct request_builder *d) {
    builder_counts(d);
    builder_window(d, 86400001);
}
static void counts_windows_many(struct request_builder *d) {
    builder_counts(d);
    for (int i = 0; i < 17; i++) builder_window(d, 1000);
}
static void counts_scope_empty(struct request_builder *d) {
    builder_counts(d);
    builder_scope(d, builder_bytes("a"));
    builder_scope(d, builder_bytes(""));
}
static void counts_scopes_many(struct request_builder *d) {
    builder_counts(d);
    for (int i = 0; i < 1001; i++) builder_scope(d, builder_bytes("a"));
}
static void scopes_page_large(struct request_builder *d) {
    builder_scopes(d);
    d->scopes.page_size = UINT32_MAX;
}
static void reset_scope_nul(struct request_builder *d) {
    builder_reset(d, "");
    d->reset.scope = nul_at(d, 1, 0);
}

static const struct refusal_case {
    void (*fill)(struct request_builder *builder);
    const char *message;
} cases[] = {
    {user_empty, "beats[1].user: empty, 1 to 128 bytes"},
    {user_long, "beats[1].user: 129 bytes, at most 128"},
    {user_broken, "beats[1].user: broken UTF-8 at byte 2"},
    {user_overlong, "beats[1].user: broken UTF-8 at byte 0"},
    {user_surrogate, "beats[1].user: broken UTF-8 at byte 0"},
    {user_past_unicode, "beats[1].user: broken UTF-8 at byte 0"},
    {user_cut, "beats[1].user: broken UTF-8 at byte 8"},
    {user_nul, "beats[1].user: NUL at byte 1"},
    {user_nul_late, "beats[1].user: NUL at byte 13"},
    {refresh_status, "beats[1].status: must be unset where refresh is set"},
    {refresh_state, "beats[1].state: must be empty where refresh is set"},
    {session_long, "beats[1].session: 129 bytes, at most 128"},
    {session_broken, "beats[1].session: broken UTF-8"},
    {scope_long, "beats[1].scope: 129 bytes, at most 128"},
    {scope_broken, "beats[1].scope: broken UTF-8"},
    {request_scope_long, "scope: 200 bytes, at most 128"},
    {status_unknown, "beats[1].status: 4 is no status, at most 3"},
    {status_wraps, "beats[1].status: 258 is no status"},
    {status_negative, "beats[1].status: -1 is no status"},
    {ttl_small, "beats[1].ttl_ms: 999, at least 1000"},
    {ttl_large, "beats[1].ttl_ms: 86400001, at most 86400000"},
    {request_ttl_small, "ttl_ms: 1, at least 1000"},
    {request_ttl_large, "ttl_ms: 4294967295, at most 86400000"},
    {state_large, "beats[1].state: 1025 bytes, at most 1024"},
    {beats_none, "beats: none, at least 1"},
    {beats_many, "beats: 10001, at most 10000"},
    {token_long, "token: 4097 bytes, at most 4096"},
    {leave_none, "departures: none, at least 1"},
    {leave_user_empty, "departures[1].user: empty"},
    {leave_session_long, "departures[1].session: 129 bytes, at most 128"},
    {leave_scope_broken, "departures[1].scope: broken UTF-8"},
    {leave_both, "departures[1].session: must be empty with all_sessions"},
    {leave_linger_large, "linger_ms: 86400001, at most 86400000"},
    {leave_stamp_future, "stamp: "},
    {leave_many, "departures: 10001, at most 10000"},
    {live_none, "users: none, at least 1"},
    {live_user_empty, "users[1]: empty"},
    {live_user_long, "users[1]: 129 bytes, at most 128"},
    {live_user_nul, "users[1]: NUL at byte 0"},
    {live_scope_broken, "scope: broken UTF-8 at byte 0"},
    {live_many, "users: 10001, at most 10000"},
    {list_page_large, "page_size: 10001, at most 10000"},
    {list_status_none, "statuses[1]: 0 is no status"},
    {list_status_unknown, "statuses[0]: 77 is no status"},
    {list_recent_large, "recent: 10001, at most 10000"},
    {list_recent_and_size, "page_size: must be 0"},
    {list_recent_and_token, "page_token: must be empty"},
    {list_scope_long, "scope: 129 bytes, at most 128"},
    {where_none, "users: none, at least 1"},
    {where_many, "users: 1001, at most 1000"},
    {where_user_empty, "users[1]: empty, 1 to 128 bytes"},
    {where_prefix_long, "scope_prefix: 129 bytes, at most 128"},
    {where_prefix_broken, "scope_prefix: broken UTF-8 at byte 0"},
    {where_page_large, "page_size: 10001, at most 10000"},
    {where_token, "page_token: was not given out"},
    {counts_window_zero, "windows_ms[1]: 0, at least 1"},
    {counts_window_long, "windows_ms[0]: 86400001, at most 86400000"},
    {counts_windows_many, "windows_ms: 17, at most 16"},
    {counts_scope_empty, "scopes[1]: empty"},
    {counts_scopes_many, "scopes: 1001, at most 1000"},
    {scopes_page_large, "page_size: 4294967295, at most 10000"},
    {reset_scope_nul, "scope: NUL at byte 0"},
};

void suite_refusals(const struct answerer *answerer) {
    struct request_builder builder;
    touch(answerer, "refused", "stays", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cases[i].fill(&builder);
        ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, cases[i].message);
    }
    if (is_live(answerer, "refused", "innocent")) fail_msg("%s: a refused request touched somebody", answerer->name);
    if (!is_live(answerer, "refused", "stays")) fail_msg("%s: a refused request made somebody leave", answerer->name);
}

/* ---- page tokens ---- */

static void list_with_token(const struct answerer *answerer, const char *scope, int status, const char *token,
                            const char *message) {
    struct request_builder builder;
    builder_list(&builder, scope);
    if (status != 0) builder_status(&builder, status);
    builder.list.page_token = builder_bytes(token);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, message);
}

/* A token of a walk of ada and bob below "tokens:" is good for no other. */
static void where_tokens(const struct answerer *answerer) {
    struct request_builder builder;
    static const struct {
        const char *users[2], *prefix;
    } walks[] = {{{"ada", "bob"}, "tokens:"}, {{"bob", "ada"}, "tokens:"}, {{"ada", NULL}, "tokens:"},
                 {{"adab", "ob"}, "tokens:"}, {{"ada", "bob"}, "tokens"},  {{"ada", "bob"}, ""}};
    char token[64] = "";
    for (int i = 0; i < 9; i++) {
        char scope[16];
        snprintf(scope, sizeof scope, "tokens:%d", i);
        touch(answerer, scope, "ada", "");
        touch(answerer, scope, "bob", "");
    }
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        builder_where(&builder, walks[i].prefix);
        for (size_t u = 0; u < 2; u++)
            if (walks[i].users[u] != NULL) builder_where_user(&builder, builder_bytes(walks[i].users[u]));
        builder.where.page_size = 3;
        builder.where.page_token = builder_bytes(token);
        if (i > 0) {
            ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT,
                        "page_token: is of another walk; call, users and scope_prefix must be the same");
            continue;
        }
        Muster__V1__Reply *reply = ask(answerer, &builder);
        snprintf(token, sizeof token, "%.*s", (int)reply->where->next_page_token.len,
                 (const char *)reply->where->next_page_token.data);
        reply_free(reply);
        if (token[0] == '\0') fail_msg("%s: the first of several pages has no token", answerer->name);
    }
    list_with_token(answerer, "tokens", 0, token, "page_token: is of another walk");
}

void suite_token_refusals(const struct answerer *answerer) {
    struct request_builder builder;
    char token[64], damaged[66];
    for (int i = 0; i < 20; i++) {
        char user[16];
        snprintf(user, sizeof user, "user-%d", i);
        touch(answerer, "tokens", user, "");
    }
    builder_list(&builder, "tokens");
    builder.list.page_size = 5;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    snprintf(token, sizeof token, "%.*s", (int)reply->list->next_page_token.len,
             (const char *)reply->list->next_page_token.data);
    reply_free(reply);
    if (token[0] == '\0') fail_msg("%s: the first of several pages has no token", answerer->name);

    list_with_token(answerer, "other", 0, token, "page_token: is of another walk");
    list_with_token(answerer, "tokens", 2, token, "page_token: is of another walk");
    builder_scopes(&builder);
    builder.scopes.page_token = builder_bytes(token);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "page_token: is of another walk");
    for (size_t i = 0; token[i] != '\0'; i++) {
        snprintf(damaged, sizeof damaged, "%s", token);
        damaged[i] = damaged[i] == 'A' ? 'Q' : 'A';
        list_with_token(answerer, "tokens", 0, damaged, "page_token: was not given out");
    }
    snprintf(damaged, sizeof damaged, "%sA", token);
    list_with_token(answerer, "tokens", 0, damaged, "page_token: was not given out");
    token[strlen(token) - 1] = '\0';
    list_with_token(answerer, "tokens", 0, token, "page_token: was not given out");
    list_with_token(answerer, "tokens", 0, "7", "page_token: was not given out");
    list_with_token(answerer, "tokens", 0, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "page_token: was not given out");
    list_with_token(answerer, "tokens", 0, "\xff\xfe", "page_token: was not given out");
    where_tokens(answerer);
}

/* ---- messages ---- */

static void bytes_refused(const struct answerer *answerer, const void *bytes, size_t len, int code,
                          const char *message) {
    expect_refused(answerer, ask_bytes(answerer, bytes, len), code, message);
}

/* Groups within groups, the only nesting that could be without end; and messages within unknown fields. */
static void nesting_refused(const struct answerer *answerer) {
    enum { DEEP = 30000 };
    unsigned char *bytes = malloc(DEEP);
    memset(bytes, 0x0b, DEEP);
    bytes_refused(answerer, bytes, DEEP, MUSTER_INVALID_ARGUMENT, "message: ");
    for (size_t i = 0; i + 4 <= DEEP; i += 4) { /* field 2, of the length of all that follows */
        size_t rest = DEEP - i - 4;
        memcpy(bytes + i,
               (unsigned char[]){0x12, (unsigned char)(rest | 0x80), (unsigned char)(rest >> 7 | 0x80),
                                 (unsigned char)(rest >> 14)},
               4);
    }
    reply_free(ask_bytes(answerer, bytes, DEEP)); /* whatever it says, it answers */
    free(bytes);
}

void suite_message_refusals(const struct answerer *answerer) {
    static const unsigned char cut[] = {0x12, 0x20, 0x0a}, junk[] = {0xff, 0xff, 0xff, 0xff};
    static const unsigned char newer[] = {0xfa, 0x01, 0x00}; /* field 31, an empty message */
    static const unsigned char token_only[] = {0x0a, 0x01, 't'};
    static const unsigned char wrong_type[] = {0x10, 0x01}; /* touch as a number */
    bytes_refused(answerer, "", 0, MUSTER_INVALID_ARGUMENT, "request: none");
    bytes_refused(answerer, token_only, sizeof token_only, MUSTER_INVALID_ARGUMENT, "request: none");
    bytes_refused(answerer, cut, sizeof cut, MUSTER_INVALID_ARGUMENT, "message: ");
    bytes_refused(answerer, junk, sizeof junk, MUSTER_INVALID_ARGUMENT, "message: ");
    bytes_refused(answerer, wrong_type, sizeof wrong_type, MUSTER_INVALID_ARGUMENT, "");
    bytes_refused(answerer, newer, sizeof newer, MUSTER_UNIMPLEMENTED, "request: ");
    nesting_refused(answerer);

    size_t large = MUSTER_MESSAGE_BYTES_MAX + 1;
    unsigned char *bytes = calloc(1, large);
    bytes_refused(answerer, bytes, large, MUSTER_INVALID_ARGUMENT, "message: 1048577 bytes, at most 1048576");
    for (size_t i = 0; i + 1 < large; i += 2) memcpy(bytes + i, "\xa2\x06", 2); /* half of it tags of unknown fields */
    reply_free(ask_bytes(answerer, bytes, large - 1));
    for (size_t i = 0; i + 2 < large; i += 3) memcpy(bytes + i, "\xa0\x06\x01", 3); /* 350,000 unknown fields */
    bytes_refused(answerer, bytes, (large - 1) / 3 * 3, MUSTER_UNIMPLEMENTED, "request: ");
    size_t body = (large - 1 - 4) / 3 * 3; /* the same within a Counts */
    memmove(bytes + 4, bytes, body);
    memcpy(bytes, (uint8_t[]){0x32, (uint8_t)(body | 0x80), (uint8_t)(body >> 7 | 0x80), (uint8_t)(body >> 14)}, 4);
    bytes_refused(answerer, bytes, body + 4, MUSTER_INVALID_ARGUMENT, "message: unpacks to more than");
    free(bytes);
}

/* ---- replies ---- */

void suite_reply_cap(const struct answerer *answerer) {
    enum { USERS = 25, SESSIONS = 40 }; /* a thousand states of 1 KiB: a little more than a message holds */
    struct request_builder builder;
    for (size_t user = 0; user < USERS; user++) {
        builder_touch(&builder, "cap");
        for (size_t session = 0; session < SESSIONS; session++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "user-", user);
            beat->session = builder_number(&builder, "session-", session);
            beat->state = builder_filled(&builder, 's', MUSTER_STATE_BYTES_MAX);
        }
        reply_free(ask(answerer, &builder));
    }
    builder_live(&builder, "cap");
    for (size_t user = 0; user < USERS; user++) builder_user(&builder, builder_number(&builder, "user-", user));
    builder.live.sessions = true;
    ask_refused(answerer, &builder, MUSTER_RESOURCE_EXHAUSTED, "1048576 bytes");

    builder_list(&builder, "cap");
    builder.list.recent = USERS;
    builder.list.sessions = true;
    ask_refused(answerer, &builder, MUSTER_RESOURCE_EXHAUSTED, "1048576 bytes");

    size_t seen = 0, pages = 0;
    char token[64] = "";
    do {
        builder_list(&builder, "cap");
        builder.list.sessions = true;
        builder.list.page_token = builder_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &builder);
        seen += reply->list->n_users;
        pages++;
        snprintf(token, sizeof token, "%.*s", (int)reply->list->next_page_token.len,
                 (const char *)reply->list->next_page_token.data);
        reply_free(reply);
    } while (token[0] != '\0' && pages < 10);
    if (seen != USERS || pages != 2)
        fail_msg("%s: %zu users in %zu pages, expected %d in 2", answerer->name, seen, pages, USERS);
}
