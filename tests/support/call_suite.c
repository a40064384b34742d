#include "call_suite.h"

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
    struct draft draft;
    draft_live(&draft, scope);
    draft_user(&draft, draft_bytes(user));
    draft.live.sessions = sessions;
    return ask(answerer, &draft);
}

static void touch_many(const struct answerer *answerer, const char *scope, const char *stem, size_t n) {
    struct draft draft;
    draft_touch(&draft, scope);
    for (size_t i = 0; i < n; i++) draft_beat(&draft, "", "")->user = draft_number(&draft, stem, i);
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->touch->joined, n);
    reply_free(reply);
}

void suite_touch(const struct answerer *answerer) {
    struct draft draft;
    draft_touch(&draft, "touch");
    draft_beat(&draft, "ada", "tab-1");
    draft_beat(&draft, "ada", "tab-2")->ttl_ms = 30000;
    draft_beat(&draft, "bob", "")->scope = draft_bytes("touch:other");
    draft.touch.ttl_ms = 45000;
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_TOUCH);
    expect_equal(answerer, reply->touch->joined, 2);
    expect_equal(answerer, reply->touch->ttl_ms, 30000);
    uint64_t stamp = reply->touch->stamp;
    expect(answerer, stamp > 0);
    reply_free(reply);

    draft_touch(&draft, "touch");
    draft_beat(&draft, "ada", "tab-1");
    reply = ask(answerer, &draft);
    expect_equal(answerer, reply->touch->joined, 0);
    expect_equal(answerer, reply->touch->ttl_ms, 60000);
    expect(answerer, reply->touch->stamp > stamp);
    reply_free(reply);

    expect(answerer, is_live(answerer, "touch", "ada"));
    expect(answerer, !is_live(answerer, "touch", "bob"));
    expect(answerer, is_live(answerer, "touch:other", "bob"));
    touch(answerer, "", "defaulted", "");
    expect(answerer, is_live(answerer, "default", "defaulted"));
}

void suite_leave(const struct answerer *answerer) {
    struct draft draft;
    touch(answerer, "leave", "ada", "one");
    touch(answerer, "leave", "ada", "two");
    uint64_t stamp = touch(answerer, "leave", "ada", "three");
    expect_equal(answerer, leave(answerer, "leave", "ada", "one"), 0);
    expect(answerer, is_live(answerer, "leave", "ada"));
    expect_equal(answerer, leave(answerer, "leave", "ada", "no such session"), 0);
    expect(answerer, is_live(answerer, "leave", "ada"));

    draft_leave(&draft, "elsewhere");
    Muster__V1__Departure *departure = draft_departure(&draft, "ada", "");
    departure->scope = draft_bytes("leave");
    departure->all_sessions = true;
    draft.leave.stamp = stamp;
    Muster__V1__Reply *reply = ask(answerer, &draft);
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
    struct draft draft;
    draft_leave(&draft, "linger");
    draft_departure(&draft, user, session)->all_sessions = all;
    draft.leave.linger_ms = 20000;
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->leave->left, left);
    reply_free(reply);
}

void suite_linger(const struct answerer *answerer) {
    struct draft draft;
    draft_touch(&draft, "linger");
    Muster__V1__Beat *beat = draft_beat(&draft, "ada", "tab");
    beat->status = BUSY;
    beat->state = draft_bytes("typing");
    draft_beat(&draft, "bob", "x");
    draft_beat(&draft, "bob", "y");
    reply_free(ask(answerer, &draft));

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
    struct draft draft;
    draft_touch(&draft, "live");
    draft_beat(&draft, "ada", "a")->status = AWAY;
    Muster__V1__Beat *beat = draft_beat(&draft, "ada", "b");
    beat->status = ONLINE;
    beat->state = draft_bytes(" any bytes \xff");
    draft_beat(&draft, "bob", "");
    reply_free(ask(answerer, &draft));

    draft_live(&draft, "live");
    draft_user(&draft, draft_bytes("bob"));
    draft_user(&draft, draft_bytes("stranger"));
    draft_user(&draft, draft_bytes("ada"));
    draft_user(&draft, draft_bytes("bob"));
    draft.live.sessions = true;
    Muster__V1__Reply *reply = ask(answerer, &draft);
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
        struct draft draft;
        draft_list(&draft, scope);
        draft.list.page_size = page_size;
        draft.list.page_token = draft_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &draft);
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
    struct draft draft;
    draft_list(&draft, scope);
    if (status_a != 0) draft_status(&draft, status_a);
    if (status_b != 0) draft_status(&draft, status_b);
    Muster__V1__Reply *reply = ask(answerer, &draft);
    size_t n = reply->list->n_users;
    reply_free(reply);
    return n;
}

void suite_list_filters(const struct answerer *answerer) {
    struct draft draft;
    draft_touch(&draft, "list:filters");
    draft_beat(&draft, "a", "")->status = AWAY;
    draft_beat(&draft, "o1", "");
    draft_beat(&draft, "o2", "")->status = ONLINE;
    draft_beat(&draft, "b1", "")->status = BUSY;
    draft_beat(&draft, "b2", "x")->status = AWAY;
    draft_beat(&draft, "b2", "y")->status = BUSY;
    reply_free(ask(answerer, &draft));
    expect_equal(answerer, count_listed(answerer, "list:filters", 0, 0), 5);
    expect_equal(answerer, count_listed(answerer, "list:filters", AWAY, 0), 1);
    expect_equal(answerer, count_listed(answerer, "list:filters", ONLINE, ONLINE), 2);
    expect_equal(answerer, count_listed(answerer, "list:filters", AWAY, BUSY), 3);

    draft_list(&draft, "list:filters");
    draft_status(&draft, BUSY);
    draft.list.sessions = true;
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->list->n_users, 2);
    int b2 = bytes_are(reply->list->users[0]->user, "b2") ? 0 : 1;
    expect_equal(answerer, reply->list->users[b2]->n_sessions, 2);
    reply_free(reply);
}

void suite_list_recent(const struct answerer *answerer) {
    struct draft draft;
    touch_many(answerer, "list:recent", "user-", 50);
    touch(answerer, "list:recent", "late", "");
    touch(answerer, "list:recent", "later", "");
    draft_list(&draft, "list:recent");
    draft.list.recent = 2;
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->list->n_users, 2);
    expect_equal(answerer, reply->list->next_page_token.len, 0);
    expect(answerer, reply->list->users[0]->last_seen_ms >= reply->list->users[1]->last_seen_ms);
    reply_free(reply);
    draft_list(&draft, "list:recent");
    draft.list.recent = 10000;
    draft.list.sessions = true;
    reply = ask(answerer, &draft);
    expect_equal(answerer, reply->list->n_users, 52);
    for (size_t i = 0; i < 52; i++) expect_equal(answerer, reply->list->users[i]->n_sessions, 1);
    reply_free(reply);
}

void suite_counts(const struct answerer *answerer) {
    struct draft draft;
    draft_touch(&draft, "counts");
    draft_beat(&draft, "a", "1")->status = AWAY;
    draft_beat(&draft, "a", "2")->status = BUSY;
    draft_beat(&draft, "o", "");
    draft_beat(&draft, "gone", "");
    reply_free(ask(answerer, &draft));
    leave(answerer, "counts", "gone", "");

    draft_counts(&draft);
    draft_scope(&draft, draft_bytes("counts"));
    draft_scope(&draft, draft_bytes("counts:nobody"));
    draft_window(&draft, 3600000);
    draft_window(&draft, 86400000);
    Muster__V1__Reply *reply = ask(answerer, &draft);
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

    draft_counts(&draft);
    reply = ask(answerer, &draft);
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
        struct draft draft;
        draft_scopes(&draft);
        draft.scopes.page_size = 4;
        draft.scopes.page_token = draft_bytes(token);
        Muster__V1__Reply *reply = ask(answerer, &draft);
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

void suite_reset(const struct answerer *answerer) {
    struct draft draft;
    touch_many(answerer, "reset", "user-", 30);
    leave(answerer, "reset", "user-7", "");
    touch(answerer, "reset:other", "ada", "");
    uint64_t before = touch(answerer, "reset", "user-1", "");
    draft_reset(&draft, "reset");
    Muster__V1__Reply *reply = ask(answerer, &draft);
    expect_equal(answerer, reply->response_case, MUSTER__V1__REPLY__RESPONSE_RESET);
    expect_equal(answerer, reply->reset->forgotten, 30);
    expect(answerer, reply->reset->stamp > before);
    reply_free(reply);
    expect(answerer, !is_live(answerer, "reset", "user-1"));
    expect(answerer, is_live(answerer, "reset:other", "ada"));
    touch(answerer, "reset", "user-1", "");
    expect(answerer, is_live(answerer, "reset", "user-1"));
}
