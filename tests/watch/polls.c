#include "polls.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

struct sp poll_connect(const char *url) {
    struct sp sp = sp_open(url, POLL_SOON_MS);
    if (sp.fd < 0) fail_msg("no connection to %s", url);
    return sp;
}

void poll_ask(struct poll *poll, uint32_t max_wait_ms) {
    struct request_builder builder;
    poll->watcher.max_wait_ms = max_wait_ms;
    watcher_build(&poll->watcher, &builder);
    if (!sp_send_built(poll->sp, &builder, &poll->id)) fail_msg("the server is gone");
}

struct poll *polls_next(struct sp *sp, struct poll *polls, size_t count, uint64_t timeout_ms) {
    uint32_t id;
    size_t len, i = 0;
    uint8_t *bytes = sp_receive(sp, timeout_ms, &id, &len);
    if (bytes == NULL) return NULL;
    while (i < count && polls[i].id != id) i++;
    if (i == count) fail_msg("an answer to nobody's request");
    Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
    free(bytes);
    if (reply == NULL) fail_msg("a reply of %zu bytes that does not decode", len);
    if (reply->code != 0) fail_msg("code %d: %.*s", reply->code, (int)reply->message.len, reply->message.data);
    const char *fault = watcher_apply(&polls[i].watcher, reply->watch);
    if (fault != NULL) fail_msg("%s", fault);
    polls[i].id = 0;
    polls[i].changes = reply->watch->n_changes;
    reply_free(reply);
    return &polls[i];
}

void poll_answered(struct poll *poll, uint64_t timeout_ms) {
    if (polls_next(poll->sp, poll, 1, timeout_ms) == NULL) fail_msg("no answer within %" PRIu64 " ms", timeout_ms);
}

void poll_catch_up(struct poll *poll) {
    do {
        poll_ask(poll, 0);
        poll_answered(poll, POLL_SOON_MS);
    } while (!poll->watcher.is_synced);
}

void poll_expect_same(const struct poll *poll, const struct answerer *answerer) {
    const char *fault = watcher_differs(&poll->watcher, answerer, NULL, NULL);
    if (fault != NULL) fail_msg("%s: %s", poll->watcher.scope, fault);
}
