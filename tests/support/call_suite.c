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

static const Muster__V1__Status AWAY = MUSTER__V1__STATUS__STATUS_AWAY, ONLINE = MUSTER__V1__STATUS__STATUS_ONLINE,
                                BUSY = MUSTER__V1__STATUS__STATUS_BUSY;

/* cmocka's own asserts say two numbers; these say who was asked. */
#define expect(answerer, condition)                                                                                    \
    do {                                                                                                               \
        if (!(condition)) fail_msg("%s: not so: %s", (answerer)->name, #condition);                                    \
    } while (0)
#define expect_equal(answerer, a, b)                                                                                   \
    do {                                                                                                               \
        unsigned long long given_ = (unsigned long long)(a), wanted_ = (unsigned long long)(b);                        \
        if (given_ != wanted_) fail_msg("%s: %s is %llu, expected %llu", (answerer)->name, #a, given_, wanted_);       \
    } while (0)

static Muster__V1__Reply *ask_live(const struct answerer *answerer, const char *scope, const char *user,
                                   bool sessions) {
    struct request_builder builder;
    builder_live(&builder, scope);
    builder_user(&builder, builder_bytes(user));
    builder.live.sessions = sessions;
    return ask(answerer, &builder);
}

static void touch_many(const struct answerer *answerer, const char *scope, const char *stem, size_t n) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    for (size_t i = 0; i < n; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, stem, i);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->touch->joined, n);
    reply_free(reply);
}

void suite_touch(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "touch");
    builder_beat(&builder, "ada", "tab-1");
    builder_beat(&builder, "ada", "tab-2")->ttl_ms = 30000;
    builder_beat(&builder, "bob", "")->scope = builder_bytes("touch:other");
    builder.touch.ttl_ms = 45000;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_TOUCH);
    expect_equal(answerer, reply->touch->joined, 2);
    expect_equal(answerer, reply->touch->ttl_ms, 30000);
    uint64_t stamp = reply->touch->stamp;
    expect(answerer, stamp > 0);
    reply_free(reply);

    builder_touch(&builder, "touch");
    builder_beat(&builder, "ada", "tab-1");
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->touch->joined, 0);
    expect_equal(answerer, reply->touch->ttl_ms, MUSTER_TTL_DEFAULT_MS);
    expect(answerer, reply->touch->stamp > stamp);
    reply_free(reply);

    expect(answerer, is_live(answerer, "touch", "ada"));
    expect(answerer, !is_live(answerer, "touch", "bob"));
    expect(answerer, is_live(answerer, "touch:other", "bob"));
    touch(answerer, "", "defaulted", "");
    expect(answerer, is_live(answerer, "default", "defaulted"));
}

/* A thousand beats, one of them kim's 65th session: everybody joins, and kim's longest unseen session leaves. */
void suite_displaced(const struct answerer *answerer) {
    enum { OTHERS = 999 };
    struct request_builder builder;
    touch(answerer, "displaced", "kim", "the oldest");
    builder_touch(&builder, "displaced");
    for (size_t i = 1; i < MUSTER_SESSIONS_MAX; i++)
        builder_beat(&builder, "kim", "")->session = builder_number(&builder, "tab", i);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->touch->displaced, 0);
    reply_free(reply);

    builder_touch(&builder, "displaced");
    for (size_t i = 0; i < OTHERS; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, "other-", i);
    builder_beat(&builder, "kim", "one more");
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_TOUCH);
    expect_equal(answerer, reply->touch->joined, OTHERS);
    expect_equal(answerer, reply->touch->displaced, 1);
    reply_free(reply);

    reply = ask_live(answerer, "displaced", "kim", true);
    const Muster__V1__User *kim = reply->live->users[0];
    expect_equal(answerer, kim->n_sessions, MUSTER_SESSIONS_MAX);
    bool has_oldest = false, has_newest = false;
    for (size_t i = 0; i < kim->n_sessions; i++) {
        ProtobufCBinaryData session = kim->sessions[i]->session;
        has_oldest |= session.len == 10 && memcmp(session.data, "the oldest", 10) == 0;
        has_newest |= session.len == 8 && memcmp(session.data, "one more", 8) == 0;
    }
    expect(answerer, has_newest && !has_oldest);
    reply_free(reply);

    /* Many at once: the last ones stay. */
    builder_touch(&builder, "displaced");
    for (size_t i = 0; i < 100; i++) builder_beat(&builder, "eve", "")->session = builder_number(&builder, "tab", i);
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->touch->joined, 1);
    expect_equal(answerer, reply->touch->displaced, 100 - MUSTER_SESSIONS_MAX);
    reply_free(reply);
}

void suite_refresh(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "refresh");
    Muster__V1__Beat *beat = builder_beat(&builder, "ada", "tab");
    beat->status = BUSY;
    beat->state = builder_bytes("typing");
    builder_beat(&builder, "bob", "");
    reply_free(ask(answerer, &builder));
    leave(answerer, "refresh", "bob", "");

    builder_touch(&builder, "refresh");
    builder_beat(&builder, "nobody", "")->refresh = true;
    beat = builder_beat(&builder, "ada", "tab");
    beat->refresh = true;
    beat->ttl_ms = 40000;
    builder_beat(&builder, "bob", "")->refresh = true;
    builder_beat(&builder, "eve", "");
    builder_beat(&builder, "ada", "other tab")->refresh = true;
    beat = builder_beat(&builder, "ada", "tab");
    beat->refresh = true;
    beat->scope = builder_bytes("refresh:nobody is here");
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_TOUCH);
    expect_equal(answerer, reply->touch->joined, 1);
    expect_equal(answerer, reply->touch->ttl_ms, 40000);
    expect_equal(answerer, reply->touch->n_unknown, 4);
    const uint32_t unknown[] = {0, 2, 4, 5};
    for (size_t i = 0; i < 4; i++) expect_equal(answerer, reply->touch->unknown[i], unknown[i]);
    reply_free(reply);

    expect(answerer, !is_live(answerer, "refresh", "nobody") && !is_live(answerer, "refresh", "bob"));
    reply = ask_live(answerer, "refresh", "ada", true);
    const Muster__V1__User *ada = reply->live->users[0];
    expect_equal(answerer, ada->status, BUSY);
    expect_equal(answerer, ada->n_sessions, 1);
    expect_equal(answerer, ada->sessions[0]->ttl_ms, 40000);
    expect(answerer, ada->sessions[0]->state.len == 6 && memcmp(ada->sessions[0]->state.data, "typing", 6) == 0);
    reply_free(reply);
}

void suite_leave(const struct answerer *answerer) {
    struct request_builder builder;
    touch(answerer, "leave", "ada", "one");
    touch(answerer, "leave", "ada", "two");
    uint64_t stamp = touch(answerer, "leave", "ada", "three");
    expect_equal(answerer, leave(answerer, "leave", "ada", "one"), 0);
    expect(answerer, is_live(answerer, "leave", "ada"));
    expect_equal(answerer, leave(answerer, "leave", "ada", "no such session"), 0);
    expect(answerer, is_live(answerer, "leave", "ada"));

    builder_leave(&builder, "elsewhere");
    Muster__V1__Departure *departure = builder_departure(&builder, "ada", "");
    departure->scope = builder_bytes("leave");
    departure->all_sessions = true;
    builder.leave.stamp = stamp;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_LEAVE);
    expect_equal(answerer, reply->leave->left, 1);
    expect(answerer, reply->leave->stamp > stamp);
    reply_free(reply);
    expect(answerer, !is_live(answerer, "leave", "ada"));

    reply = ask_live(answerer, "leave", "ada", true);
    expect(answerer, reply->live->users[0]->last_seen_ms > 0);
    expect_equal(answerer, reply->live->users[0]->session_count, 0);
    expect_equal(answerer, reply->live->users[0]->n_sessions, 0);
    reply_free(reply);
    expect_equal(answerer, leave(answerer, "leave", "ada", "two"), 0);
}

static void linger(const struct answerer *answerer, const char *user, const char *session, bool all, uint32_t left) {
    struct request_builder builder;
    builder_leave(&builder, "linger");
    builder_departure(&builder, user, session)->all_sessions = all;
    builder.leave.linger_ms = 20000;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->leave->left, left);
    reply_free(reply);
}

/* Departures that end nothing which is live at the node are listed, and done all the same. */
void suite_leave_unknown(const struct answerer *answerer) {
    struct request_builder builder;
    touch(answerer, "unknown", "ada", "one");
    touch(answerer, "unknown", "ada", "two");
    touch(answerer, "unknown", "bob", "");
    for (uint32_t linger_ms = 0; linger_ms <= 5000; linger_ms += 5000) {
        builder_leave(&builder, "unknown");
        builder_departure(&builder, "ada", "three");
        builder_departure(&builder, "ada", "two");
        builder_departure(&builder, "eve", "")->all_sessions = true;
        builder_departure(&builder, "bob", "")->all_sessions = true;
        builder_departure(&builder, "eve", "");
        builder.leave.linger_ms = 5000 - linger_ms; /* first they linger, then they go */
        Muster__V1__Reply *reply = ask(answerer, &builder);
        static const uint32_t expected[] = {0, 2, 4};
        expect_equal(answerer, reply->leave->n_unknown, 3);
        for (size_t i = 0; i < 3; i++) expect_equal(answerer, reply->leave->unknown[i], expected[i]);
        expect_equal(answerer, reply->leave->left, linger_ms > 0);
        reply_free(reply);
        expect_equal(answerer, is_live(answerer, "unknown", "bob"), linger_ms == 0);
    }
    expect(answerer, is_live(answerer, "unknown", "ada"));
}

static void set_status(const struct answerer *answerer, const char *user, int status, uint32_t ttl_ms) {
    struct request_builder builder;
    builder_set_status(&builder, "set", user, status);
    builder.set_status.ttl_ms = ttl_ms;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_SET_STATUS);
    expect(answerer, reply->set_status->stamp > 0);
    reply_free(reply);
}

/* The status of a user as Live, List and Counts tell it; 0: it is not live. */
static void expect_status(const struct answerer *answerer, const char *user, int status) {
    struct request_builder builder;
    Muster__V1__Reply *reply = ask_live(answerer, "set", user, false);
    expect_equal(answerer, reply->live->users[0]->status, status);
    reply_free(reply);
    for (int asked = AWAY; asked <= (int)BUSY; asked++) {
        builder_list(&builder, "set");
        builder_status(&builder, asked);
        reply = ask(answerer, &builder);
        expect_equal(answerer, reply->list->n_users, asked == status);
        reply_free(reply);
    }
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes("set"));
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->counts->scopes[0]->live, status != 0);
    expect_equal(answerer, reply->counts->scopes[0]->online, status == (int)ONLINE);
    expect_equal(answerer, reply->counts->scopes[0]->away, status == (int)AWAY);
    expect_equal(answerer, reply->counts->scopes[0]->busy, status == (int)BUSY);
    reply_free(reply);
}

void suite_set_status(const struct answerer *answerer) {
    set_status(answerer, "ada", BUSY, 0);
    expect_status(answerer, "ada", 0); /* it makes nobody live */
    touch(answerer, "set", "ada", "one");
    touch(answerer, "set", "ada", "two");
    expect_status(answerer, "ada", BUSY);
    set_status(answerer, "ada", AWAY, 60000);
    expect_status(answerer, "ada", AWAY);
    touch(answerer, "set", "ada", "one");
    leave(answerer, "set", "ada", "two");
    expect_status(answerer, "ada", AWAY); /* beats and leaves keep it */
    set_status(answerer, "ada", 0, 0);
    expect_status(answerer, "ada", ONLINE);
    set_status(answerer, "ada", BUSY, (uint32_t)MUSTER_STATUS_TTL_MAX_MS);
    expect_status(answerer, "ada", BUSY);
    struct request_builder builder;
    builder_reset(&builder, "set");
    reply_free(ask(answerer, &builder));
    touch(answerer, "set", "ada", "one");
    expect_status(answerer, "ada", ONLINE); /* a reset drops it */
    leave(answerer, "set", "ada", "one");
    expect_status(answerer, "ada", 0);

    builder_set_status(&builder, "set", "", BUSY);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "user: empty, 1 to 128 bytes");
    builder_set_status(&builder, "set", "ada", 4);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "status: 4 is no status, at most 3");
    builder_set_status(&builder, "set", "ada", BUSY);
    builder.set_status.ttl_ms = MUSTER_TTL_MIN_MS - 1;
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "ttl_ms: 999, at least 1000");
    builder_set_status(&builder, "set", "ada", BUSY);
    builder.set_status.ttl_ms = (uint32_t)MUSTER_STATUS_TTL_MAX_MS + 1;
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "ttl_ms: 2592000001, at most 2592000000");
    builder_set_status(&builder, "", "ada", BUSY);
    builder.set_status.scope = builder_filled(&builder, 's', MUSTER_ID_BYTES_MAX + 1);
    ask_refused(answerer, &builder, MUSTER_INVALID_ARGUMENT, "scope: 129 bytes, at most 128");
}

void suite_linger(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "linger");
    Muster__V1__Beat *beat = builder_beat(&builder, "ada", "tab");
    beat->status = BUSY;
    beat->state = builder_bytes("typing");
    builder_beat(&builder, "bob", "x");
    builder_beat(&builder, "bob", "y");
    reply_free(ask(answerer, &builder));

    linger(answerer, "ada", "tab", false, 0);
    Muster__V1__Reply *reply = ask_live(answerer, "linger", "ada", true);
    const Muster__V1__User *ada = reply->live->users[0];
    expect(answerer, ada->live);
    expect_equal(answerer, ada->status, BUSY);
    expect_equal(answerer, ada->n_sessions, 1);
    expect(answerer, bytes_are(ada->sessions[0]->state, "typing"));
    expect_equal(answerer, ada->sessions[0]->ttl_ms, 20000);
    reply_free(reply);

    linger(answerer, "bob", "", true, 0);
    reply = ask_live(answerer, "linger", "bob", true);
    expect_equal(answerer, reply->live->users[0]->n_sessions, 2);
    for (int i = 0; i < 2; i++) expect_equal(answerer, reply->live->users[0]->sessions[i]->ttl_ms, 20000);
    reply_free(reply);

    linger(answerer, "nobody", "tab", false, 0); /* makes nobody live */
    expect(answerer, !is_live(answerer, "linger", "nobody"));
    leave(answerer, "linger", "ada", "tab");
    linger(answerer, "ada", "tab", false, 0); /* nor anybody again */
    expect(answerer, !is_live(answerer, "linger", "ada"));
}

void suite_live(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "live");
    builder_beat(&builder, "ada", "a")->status = AWAY;
    Muster__V1__Beat *beat = builder_beat(&builder, "ada", "b");
    beat->status = ONLINE;
    beat->state = builder_bytes(" any bytes \xff");
    builder_beat(&builder, "bob", "");
    reply_free(ask(answerer, &builder));

    builder_live(&builder, "live");
    builder_user(&builder, builder_bytes("bob"));
    builder_user(&builder, builder_bytes("stranger"));
    builder_user(&builder, builder_bytes("ada"));
    builder_user(&builder, builder_bytes("bob"));
    builder.live.sessions = true;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_LIVE);
    expect_equal(answerer, reply->live->n_users, 4);
    Muster__V1__User **users = reply->live->users;
    expect(answerer, users[0]->live && !users[1]->live && users[2]->live && users[3]->live);
    expect_equal(answerer, users[1]->last_seen_ms, 0);
    expect_equal(answerer, users[1]->status, 0);
    expect_equal(answerer, users[2]->status, ONLINE);
    expect_equal(answerer, users[2]->session_count, 2);
    expect_equal(answerer, users[2]->n_sessions, 2);
    expect_equal(answerer, users[2]->user.len, 0);
    int b = bytes_are(users[2]->sessions[0]->session, "b") ? 0 : 1;
    expect(answerer, bytes_are(users[2]->sessions[b]->session, "b"));
    expect(answerer, bytes_are(users[2]->sessions[b]->state, " any bytes \xff"));
    expect_equal(answerer, users[2]->sessions[!b]->status, AWAY);
    expect_equal(answerer, users[0]->sessions[0]->session.len, 0);
    reply_free(reply);

    reply = ask_live(answerer, "live", "ada", false);
    expect_equal(answerer, reply->live->users[0]->n_sessions, 0);
    expect_equal(answerer, reply->live->users[0]->session_count, 2);
    reply_free(reply);
}

/* Walks all pages, marks each user `stem`i that comes, and returns the number of pages. */
static size_t walk(const struct answerer *answerer, const char *scope, uint32_t page_size, const char *stem, size_t n) {
    char token[64] = "";
    size_t pages = 0, seen = 0;
    unsigned char *came = calloc(n, 1);
    bool more = true;
    while (more) {
        struct request_builder builder;
        builder_list(&builder, scope);
        builder.list.page_size = page_size;
        builder.list.page_token = builder_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &builder);
        expect(answerer, reply->list->n_users <= page_size);
        for (size_t i = 0; i < reply->list->n_users; i++) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)reply->list->users[i]->user.len,
                     (const char *)reply->list->users[i]->user.data);
            size_t number = strtoul(name + strlen(stem), NULL, 10);
            expect(answerer, strncmp(name, stem, strlen(stem)) == 0 && number < n && !came[number]);
            expect(answerer, reply->list->users[i]->live);
            came[number] = 1;
            seen++;
        }
        more = reply->list->next_page_token.len > 0;
        snprintf(token, sizeof token, "%.*s", (int)reply->list->next_page_token.len,
                 (const char *)reply->list->next_page_token.data);
        reply_free(reply);
        if (++pages > n + 10) fail_msg("%s: a walk of %zu users does not end", answerer->name, n);
    }
    free(came);
    expect_equal(answerer, seen, n);
    return pages;
}

void suite_list_pages(const struct answerer *answerer) {
    enum { USERS = 257 };
    touch_many(answerer, "list:pages", "user-", USERS);
    expect(answerer, walk(answerer, "list:pages", 10, "user-", USERS) >= 26);
    walk(answerer, "list:pages", 1, "user-", USERS);
    walk(answerer, "list:pages", 10000, "user-", USERS);
    walk(answerer, "list:nobody", 10, "user-", 0);
}

static size_t count_listed(const struct answerer *answerer, const char *scope, int status_a, int status_b) {
    struct request_builder builder;
    builder_list(&builder, scope);
    if (status_a != 0) builder_status(&builder, status_a);
    if (status_b != 0) builder_status(&builder, status_b);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    size_t n = reply->list->n_users;
    reply_free(reply);
    return n;
}

void suite_list_filters(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "list:filters");
    builder_beat(&builder, "a", "")->status = AWAY;
    builder_beat(&builder, "o1", "");
    builder_beat(&builder, "o2", "")->status = ONLINE;
    builder_beat(&builder, "b1", "")->status = BUSY;
    builder_beat(&builder, "b2", "x")->status = AWAY;
    builder_beat(&builder, "b2", "y")->status = BUSY;
    reply_free(ask(answerer, &builder));
    expect_equal(answerer, count_listed(answerer, "list:filters", 0, 0), 5);
    expect_equal(answerer, count_listed(answerer, "list:filters", AWAY, 0), 1);
    expect_equal(answerer, count_listed(answerer, "list:filters", ONLINE, ONLINE), 2);
    expect_equal(answerer, count_listed(answerer, "list:filters", AWAY, BUSY), 3);

    builder_list(&builder, "list:filters");
    builder_status(&builder, BUSY);
    builder.list.sessions = true;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->list->n_users, 2);
    int b2 = bytes_are(reply->list->users[0]->user, "b2") ? 0 : 1;
    expect_equal(answerer, reply->list->users[b2]->n_sessions, 2);
    reply_free(reply);
}

void suite_list_recent(const struct answerer *answerer) {
    struct request_builder builder;
    touch_many(answerer, "list:recent", "user-", 50);
    touch(answerer, "list:recent", "late", "");
    touch(answerer, "list:recent", "later", "");
    builder_list(&builder, "list:recent");
    builder.list.recent = 2;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->list->n_users, 2);
    expect_equal(answerer, reply->list->next_page_token.len, 0);
    expect(answerer, reply->list->users[0]->last_seen_ms >= reply->list->users[1]->last_seen_ms);
    reply_free(reply);
    builder_list(&builder, "list:recent");
    builder.list.recent = 10000;
    builder.list.sessions = true;
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->list->n_users, 52);
    for (size_t i = 0; i < 52; i++) expect_equal(answerer, reply->list->users[i]->n_sessions, 1);
    reply_free(reply);
}

void suite_counts(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "counts");
    builder_beat(&builder, "a", "1")->status = AWAY;
    builder_beat(&builder, "a", "2")->status = BUSY;
    builder_beat(&builder, "o", "");
    builder_beat(&builder, "gone", "");
    reply_free(ask(answerer, &builder));
    leave(answerer, "counts", "gone", "");

    builder_counts(&builder);
    builder_scope(&builder, builder_bytes("counts"));
    builder_scope(&builder, builder_bytes("counts:nobody"));
    builder_window(&builder, 3600000);
    builder_window(&builder, 86400000);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_COUNTS);
    expect_equal(answerer, reply->counts->n_scopes, 2);
    const Muster__V1__ScopeCounts *row = reply->counts->scopes[0];
    expect(answerer, bytes_are(row->scope, "counts"));
    expect_equal(answerer, row->live, 2);
    expect_equal(answerer, row->online, 1);
    expect_equal(answerer, row->busy, 1);
    expect_equal(answerer, row->away, 0);
    expect_equal(answerer, row->sessions, 3);
    expect_equal(answerer, row->n_windows, 2);
    expect_equal(answerer, row->windows[0]->window_ms, 3600000);
    expect_equal(answerer, row->windows[0]->users, 3);
    expect_equal(answerer, row->windows[1]->users, 3);
    expect(answerer, !row->windows[0]->incomplete);
    expect_equal(answerer, reply->counts->scopes[1]->live, 0);
    expect_equal(answerer, reply->counts->scopes[1]->windows[0]->users, 0);
    reply_free(reply);

    builder_counts(&builder);
    reply = ask(answerer, &builder);
    expect_equal(answerer, reply->counts->n_scopes, 1);
    expect(answerer, bytes_are(reply->counts->scopes[0]->scope, "default"));
    reply_free(reply);
}

void suite_scopes(const struct answerer *answerer) {
    char token[64] = "";
    size_t mine = 0;
    bool more = true;
    for (int i = 0; i < 25; i++) {
        char scope[32];
        snprintf(scope, sizeof scope, "scopes:%d", i);
        touch(answerer, scope, "ada", "");
        if (i % 2 == 0) touch(answerer, scope, "bob", "");
    }
    while (more) {
        struct request_builder builder;
        builder_scopes(&builder);
        builder.scopes.page_size = 4;
        builder.scopes.page_token = builder_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &builder);
        expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_SCOPES);
        expect(answerer, reply->scopes->n_scopes <= 4);
        for (size_t i = 0; i < reply->scopes->n_scopes; i++) {
            int number;
            char name[160];
            snprintf(name, sizeof name, "%.*s", (int)reply->scopes->scopes[i]->scope.len,
                     (const char *)reply->scopes->scopes[i]->scope.data);
            if (sscanf(name, "scopes:%d", &number) != 1) continue;
            expect_equal(answerer, reply->scopes->scopes[i]->live, number % 2 == 0 ? 2 : 1);
            mine++;
        }
        more = reply->scopes->next_page_token.len > 0;
        snprintf(token, sizeof token, "%.*s", (int)reply->scopes->next_page_token.len,
                 (const char *)reply->scopes->next_page_token.data);
        reply_free(reply);
    }
    expect_equal(answerer, mine, 25);
}

/* ---- where ---- */

enum { WHERE_SCOPES = 60 };

/* How often each of ada and bob came in the scope of a number, over all pages. */
struct where_found {
    unsigned times[WHERE_SCOPES][2];
    unsigned others;
};

static void note_places(const struct answerer *answerer, const Muster__V1__WhereResponse *where,
                        struct where_found *found) {
    for (size_t i = 0; i < where->n_places; i++) {
        const Muster__V1__Place *place = where->places[i];
        unsigned scope;
        char name[160];
        snprintf(name, sizeof name, "%.*s", (int)place->scope.len, (const char *)place->scope.data);
        bool is_ada = bytes_are(place->user, "ada");
        expect(answerer, is_ada || bytes_are(place->user, "bob"));
        expect(answerer, place->last_seen_ms > 0);
        expect_equal(answerer, place->status, is_ada ? BUSY : MUSTER__V1__STATUS__STATUS_ONLINE);
        expect_equal(answerer, place->session_count, is_ada ? 2 : 1);
        expect_equal(answerer, place->n_sessions, place->session_count);
        if (sscanf(name, "where:%u", &scope) == 1 && scope < WHERE_SCOPES) found->times[scope][!is_ada]++;
        else found->others++;
    }
}

static void walk_where(const struct answerer *answerer, uint32_t page_size, struct where_found *found) {
    char token[64] = "";
    struct request_builder builder;
    memset(found, 0, sizeof *found);
    for (bool more = true; more;) {
        builder_where(&builder, "where:");
        builder_where_user(&builder, builder_bytes("ada"));
        builder_where_user(&builder, builder_bytes("nobody"));
        builder_where_user(&builder, builder_bytes("bob"));
        builder.where.page_size = page_size;
        builder.where.sessions = true;
        builder.where.page_token = builder_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &builder);
        expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_WHERE);
        expect(answerer, reply->where->n_places <= page_size);
        note_places(answerer, reply->where, found);
        more = reply->where->next_page_token.len > 0;
        snprintf(token, sizeof token, "%.*s", (int)reply->where->next_page_token.len,
                 (const char *)reply->where->next_page_token.data);
        reply_free(reply);
        /* Others come and go between two pages. */
        touch(answerer, "where:other", "eve", "");
        touch(answerer, more ? token : "where:5", "eve", "");
    }
}

void suite_where(const struct answerer *answerer) {
    struct request_builder builder;
    struct where_found found;
    for (unsigned i = 0; i < WHERE_SCOPES; i++) {
        char scope[32];
        snprintf(scope, sizeof scope, "where:%u", i);
        builder_touch(&builder, scope);
        builder_beat(&builder, "ada", "one")->status = BUSY;
        builder_beat(&builder, "ada", "two");
        if (i % 2 == 0) builder_beat(&builder, "bob", "");
        reply_free(ask(answerer, &builder));
    }
    touch(answerer, "elsewhere", "ada", "");
    touch(answerer, "where:left", "bob", "");
    leave(answerer, "where:left", "bob", "");
    for (uint32_t page_size = 1; page_size <= 1000; page_size = page_size * 5 + 2) {
        walk_where(answerer, page_size, &found);
        expect_equal(answerer, found.others, 0);
        for (unsigned i = 0; i < WHERE_SCOPES; i++) {
            expect_equal(answerer, found.times[i][0], 1);
            expect_equal(answerer, found.times[i][1], i % 2 == 0);
        }
    }
}

void suite_reset(const struct answerer *answerer) {
    struct request_builder builder;
    touch_many(answerer, "reset", "user-", 30);
    leave(answerer, "reset", "user-7", "");
    touch(answerer, "reset:other", "ada", "");
    uint64_t before = touch(answerer, "reset", "user-1", "");
    builder_reset(&builder, "reset");
    Muster__V1__Reply *reply = ask(answerer, &builder);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_RESET);
    expect_equal(answerer, reply->reset->forgotten, 30);
    expect(answerer, reply->reset->stamp > before);
    reply_free(reply);
    expect(answerer, !is_live(answerer, "reset", "user-1"));
    expect(answerer, is_live(answerer, "reset:other", "ada"));
    touch(answerer, "reset", "user-1", "");
    expect(answerer, is_live(answerer, "reset", "user-1"));
}
