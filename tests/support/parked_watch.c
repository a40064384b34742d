#include "parked_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#include "muster/limits.h"

/* The builder of a Watch that begins at a cursor, which it borrows. */
static void builder_from(struct request_builder *builder, const char *scope, bool with_sessions,
                         ProtobufCBinaryData cursor) {
    builder_watch(builder, scope);
    builder->watch.sessions = with_sessions;
    builder->watch.cursor = cursor;
}

struct waiting waiting_of(const struct answerer *answerer, const char *scope, bool with_sessions,
                          uint32_t max_wait_ms) {
    struct waiting waiting;
    struct request_builder builder;
    uint8_t cursor[MUSTER_CURSOR_BYTES_MAX];
    size_t len = 0;
    for (bool more = true; more;) {
        builder_from(&builder, scope, with_sessions, (ProtobufCBinaryData){len, cursor});
        Muster__V1__Reply *reply = ask(answerer, &builder);
        const Muster__V1__WatchResponse *watch = reply->watch;
        if (watch->cursor.len == 0 || watch->cursor.len > sizeof cursor)
            fail_msg("%s: a cursor of %zu bytes", answerer->name, watch->cursor.len);
        more = watch->more;
        memcpy(cursor, watch->cursor.data, len = watch->cursor.len);
        reply_free(reply);
    }
    builder_from(&builder, scope, with_sessions, (ProtobufCBinaryData){len, cursor});
    builder.watch.max_wait_ms = max_wait_ms;
    waiting.request = builder_packed(&builder, &waiting.len);
    return waiting;
}

void waiting_free(struct waiting *waiting) {
    free(waiting->request);
}

void waiting_send(const struct waiting *waiting, struct sp *sp, size_t count) {
    uint32_t id;
    for (size_t i = 0; i < count; i++)
        if (!sp_send(sp, waiting->request, waiting->len, &id)) fail_msg("cut off after %zu watches", i);
}

size_t waiting_replies(struct sp *sp, size_t count, int code, uint64_t timeout_ms) {
    size_t right = 0, len;
    for (size_t i = 0; i < count; i++) {
        uint32_t id;
        uint8_t *bytes = sp_receive(sp, timeout_ms, &id, &len);
        if (bytes == NULL) return right;
        Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL) fail_msg("a reply of %zu bytes that does not decode", len);
        right += reply->code == code && (code != 0 || (reply->watch != NULL && reply->watch->cursor.len > 0));
        reply_free(reply);
        free(bytes);
    }
    return right;
}

void waiting_stir(const struct answerer *answerer, char fill) {
    struct request_builder builder;
    builder_touch(&builder, "room");
    for (size_t i = 0; i < 100; i++) {
        Muster__V1__Beat *beat = builder_beat(&builder, "", "");
        beat->user = builder_number(&builder, "user-", i);
        beat->state = builder_filled(&builder, fill, MUSTER_STATE_BYTES_MAX);
    }
    reply_free(ask(answerer, &builder));
}
