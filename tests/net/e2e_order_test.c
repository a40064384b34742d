/* The requests of one connection take effect in the order in which they were sent, over tcp and ipc. */
#include "support/server.h"
#include "support/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PAIRS = 6000, CONNECTIONS = 6, ANSWERED_MS = 20000, PAIRS_AT_ONCE = 25 };

static struct server server;

static void expect_good(struct sp *sp, size_t replies, const char *url) {
    for (size_t i = 0; i < replies; i++) {
        uint32_t id;
        size_t len;
        uint8_t *bytes = sp_receive(sp, ANSWERED_MS, &id, &len);
        if (bytes == NULL) fail_msg("%s: %zu replies of %zu", url, i, replies);
        Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL || reply->code != 0) fail_msg("%s: code %d", url, reply != NULL ? reply->code : -1);
        reply_free(reply);
        free(bytes);
    }
}

/* The two requests of one user. */
typedef void add_pair_fn(struct sp_batch *batch, struct sp *sp, const char *scope, size_t user);

/* One pair in a write, its replies read, and the next: then as many pairs in each write as PAIRS_AT_ONCE. */
static void send_pairs(const char *url, const char *scope, add_pair_fn *add_pair) {
    struct sp_batch batch = {0};
    struct sp sps[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        if ((sps[i] = sp_open(url, ANSWERED_MS)).fd < 0) fail_msg("%s: no connection", url);
    for (size_t user = 0, round = 0; user < PAIRS; round++) {
        size_t at_once = round % 2 == 0 ? 1 : PAIRS_AT_ONCE, sent[CONNECTIONS] = {0};
        for (int i = 0; i < CONNECTIONS; i++) {
            for (; sent[i] < at_once && user < PAIRS; sent[i]++) add_pair(&batch, &sps[i], scope, user++);
            if (!sp_batch_send(&batch, &sps[i])) fail_msg("%s: cut off", url);
        }
        for (int i = 0; i < CONNECTIONS; i++) expect_good(&sps[i], 2 * sent[i], url);
    }
    for (int i = 0; i < CONNECTIONS; i++) sp_close(&sps[i]);
    sp_batch_free(&batch);
}

static void expect_counts(const char *url, const char *scope, uint64_t live, uint64_t online) {
    const struct answerer answerer = sp_answerer(url);
    struct request_builder builder;
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes(scope));
    Muster__V1__Reply *reply = ask(&answerer, &builder);
    const Muster__V1__ScopeCounts *counts = reply->counts->scopes[0];
    if (counts->live != live || counts->online != online)
        fail_msg("%s: %llu are live and %llu online, not %llu and %llu", url, (unsigned long long)counts->live,
                 (unsigned long long)counts->online, (unsigned long long)live, (unsigned long long)online);
    reply_free(reply);
}

static void add_touch(struct sp_batch *batch, struct sp *sp, const char *scope, size_t user,
                      Muster__V1__Status status) {
    struct request_builder builder;
    uint32_t id;
    builder_touch(&builder, scope);
    Muster__V1__Beat *beat = builder_beat(&builder, "", "tab");
    beat->user = builder_number(&builder, "user-", user);
    beat->status = status;
    sp_batch_add(batch, sp, &builder, &id);
}

static void add_touch_and_leave(struct sp_batch *batch, struct sp *sp, const char *scope, size_t user) {
    struct request_builder builder;
    uint32_t id;
    add_touch(batch, sp, scope, user, MUSTER__V1__STATUS__STATUS_ONLINE);
    builder_leave(&builder, scope);
    builder_departure(&builder, "", "tab")->user = builder_number(&builder, "user-", user);
    sp_batch_add(batch, sp, &builder, &id);
}

static void a_leave_after_a_touch(const char *url, const char *scope) {
    send_pairs(url, scope, add_touch_and_leave);
    expect_counts(url, scope, 0, 0);
}

static void add_away_and_online(struct sp_batch *batch, struct sp *sp, const char *scope, size_t user) {
    add_touch(batch, sp, scope, user, MUSTER__V1__STATUS__STATUS_AWAY);
    add_touch(batch, sp, scope, user, MUSTER__V1__STATUS__STATUS_ONLINE);
}

static void the_later_status_stays(const char *url, const char *scope) {
    send_pairs(url, scope, add_away_and_online);
    expect_counts(url, scope, PAIRS, PAIRS);
}

/* Touches of one turn may be done as one: not past a request of another kind that came between them. */
static void add_touch_and_ask(struct sp_batch *batch, struct sp *sp, const char *scope, size_t user) {
    struct request_builder builder;
    uint32_t id;
    add_touch(batch, sp, scope, user, MUSTER__V1__STATUS__STATUS_ONLINE);
    builder_live(&builder, scope);
    builder_user(&builder, builder_number(&builder, "user-", user));
    sp_batch_add(batch, sp, &builder, &id);
}

static void a_read_sees_the_touch_before_it(const char *url, const char *scope) {
    enum { USERS = 500 };
    struct sp_batch batch = {0};
    struct sp sp = sp_open(url, ANSWERED_MS);
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    for (size_t user = 0; user < USERS; user++) add_touch_and_ask(&batch, &sp, scope, user);
    if (!sp_batch_send(&batch, &sp)) fail_msg("%s: cut off", url);
    for (size_t i = 0; i < 2 * USERS; i++) {
        uint32_t id;
        size_t len;
        uint8_t *bytes = sp_receive(&sp, ANSWERED_MS, &id, &len);
        if (bytes == NULL) fail_msg("%s: %zu replies", url, i);
        Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL || reply->code != 0) fail_msg("%s: not answered well", url);
        if (reply->response_case == MUSTER__V1__REPLY__RESPONSE_LIVE && !reply->live->users[0]->live)
            fail_msg("%s: a read before its touch", url);
        reply_free(reply);
        free(bytes);
    }
    sp_close(&sp);
    sp_batch_free(&batch);
}

/* Whatever the requests are: good, refused, or no requests at all. */
static void replies_come_in_order(const char *url, const char *scope) {
    enum { ROUNDS = 300, EACH_ROUND = 4 };
    struct sp_batch batch = {0};
    struct sp sp = sp_open(url, ANSWERED_MS);
    uint32_t id, first_id = sp.last_id + 1;
    if (sp.fd < 0) fail_msg("%s: no connection", url);
    for (size_t user = 0; user < ROUNDS; user++) {
        struct request_builder nobody;
        add_touch(&batch, &sp, scope, user, MUSTER__V1__STATUS__STATUS_ONLINE);
        builder_touch(&nobody, scope);
        builder_beat(&nobody, "", "");
        sp_batch_add(&batch, &sp, &nobody, &id);
        add_touch_and_ask(&batch, &sp, scope, user); /* two more */
        if (user % 2 == 0 && !sp_batch_send(&batch, &sp)) fail_msg("%s: cut off", url);
        if (user % 2 == 0 && !sp_send(&sp, "\xff\xff", 2, &id)) fail_msg("%s: cut off", url);
    }
    if (!sp_batch_send(&batch, &sp)) fail_msg("%s: cut off", url);
    for (size_t i = 0; i < ROUNDS * EACH_ROUND + ROUNDS / 2; i++) {
        size_t len;
        uint8_t *bytes = sp_receive(&sp, ANSWERED_MS, &id, &len);
        if (bytes == NULL || id != first_id + i) fail_msg("%s: reply %zu is of request %u", url, i, id - first_id);
        free(bytes);
    }
    sp_close(&sp);
    sp_batch_free(&batch);
}

#define BOTH(name)                                                                                                     \
    static void tcp_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        name(server.tcp, "tcp " #name);                                                                                \
    }                                                                                                                  \
    static void ipc_##name(void **state) {                                                                             \
        (void)state;                                                                                                   \
        name(server.ipc, "ipc " #name);                                                                                \
    }
#define EACH(X)                                                                                                        \
    X(a_leave_after_a_touch)                                                                                           \
    X(the_later_status_stays)                                                                                          \
    X(a_read_sees_the_touch_before_it)                                                                                 \
    X(replies_come_in_order)
EACH(BOTH)

static int start(void **state) {
    (void)state;
    server = server_start(NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
#define TESTS(name) cmocka_unit_test(tcp_##name), cmocka_unit_test(ipc_##name),
    const struct CMUnitTest tests[] = {EACH(TESTS)};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("net end to end: order", tests, start, stop);
}
