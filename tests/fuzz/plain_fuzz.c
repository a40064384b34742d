/* What plain_read reads, protobuf-c reads alike. */
#include "fuzz.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "rpc/decode_hot.h"

static bool same(struct text text, ProtobufCBinaryData bytes) {
    return text.len == bytes.len && (text.len == 0 || memcmp(text.data, bytes.data, text.len) == 0);
}

static void compare_touch(const struct touch_fields *touch, const Muster__V1__Call *call) {
    hold(call->request_case == MUSTER__V1__CALL__REQUEST_TOUCH);
    hold(same(touch->scope, call->touch->scope));
    hold(touch->ttl_ms == call->touch->ttl_ms);
    hold(touch->count == call->touch->n_beats);
    for (size_t i = 0; i < touch->count; i++) {
        const Muster__V1__Beat *beat = call->touch->beats[i];
        hold(same(touch->beats[i].scope, beat->scope));
        hold(same(touch->beats[i].user, beat->user));
        hold(same(touch->beats[i].session, beat->session));
        hold(same(touch->beats[i].state, beat->state));
        hold(touch->beats[i].ttl_ms == beat->ttl_ms);
        hold((int)touch->beats[i].status == (int)beat->status);
    }
}

static void compare_live(const struct live_fields *live, const Muster__V1__Call *call) {
    hold(call->request_case == MUSTER__V1__CALL__REQUEST_LIVE);
    hold(same(live->scope, call->live->scope));
    hold(live->sessions == (call->live->sessions != 0));
    hold(live->count == call->live->n_users);
    for (size_t i = 0; i < live->count; i++) hold(same(live->users[i], call->live->users[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct arena arena;
    struct touch_fields touch;
    struct live_fields live;
    if (arena.base == NULL) hold(arena_open(&arena, 4 << 20));
    arena_reset(&arena, SIZE_MAX);
    enum plain_kind kind = plain_read((struct text){(const char *)data, (uint32_t)size}, &arena, &touch, &live);
    if (kind == PLAIN_NOT) return 0;
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, size, data);
    hold(call != NULL);
    hold(call->token.len <= MUSTER_TOKEN_BYTES_MAX);
    if (kind == PLAIN_TOUCH) compare_touch(&touch, call);
    else compare_live(&live, call);
    muster__v1__call__free_unpacked(call, NULL);
    return 0;
}
