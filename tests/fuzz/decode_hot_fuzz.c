/* What decode_hot decodes, protobuf-c decodes alike. An input is a byte that says which request, and its body. */
#include "fuzz.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "rpc/decode_hot.h"

#include <stdbool.h>
#include <string.h>

static bool same(struct text text, ProtobufCBinaryData bytes) {
    return text.len == bytes.len && (text.len == 0 || memcmp(text.data, bytes.data, text.len) == 0);
}

static void compare_touch(const uint8_t *data, size_t size) {
    static struct beat beats[MUSTER_BEATS_MAX];
    struct touch_fields touch;
    if (!decode_hot_touch((struct text){(const char *)data, (uint32_t)size}, beats, MUSTER_BEATS_MAX, &touch)) return;
    Muster__V1__TouchRequest *request = muster__v1__touch_request__unpack(NULL, size, data);
    hold(request != NULL);
    hold(same(touch.scope, request->scope));
    hold(touch.ttl_ms == request->ttl_ms);
    hold(touch.count == request->n_beats);
    for (size_t i = 0; i < touch.count; i++) {
        const Muster__V1__Beat *beat = request->beats[i];
        hold(same(touch.beats[i].scope, beat->scope));
        hold(same(touch.beats[i].user, beat->user));
        hold(same(touch.beats[i].session, beat->session));
        hold(same(touch.beats[i].state, beat->state));
        hold(touch.beats[i].ttl_ms == beat->ttl_ms);
        hold((int)touch.beats[i].status == (int)beat->status);
        hold(touch.beats[i].is_refresh == (beat->refresh != 0));
    }
    muster__v1__touch_request__free_unpacked(request, NULL);
}

static void compare_live(const uint8_t *data, size_t size) {
    static struct text users[MUSTER_USERS_MAX];
    struct live_fields live;
    if (!decode_hot_live((struct text){(const char *)data, (uint32_t)size}, users, MUSTER_USERS_MAX, &live)) return;
    Muster__V1__LiveRequest *request = muster__v1__live_request__unpack(NULL, size, data);
    hold(request != NULL);
    hold(same(live.scope, request->scope));
    hold(live.sessions == (request->sessions != 0));
    hold(live.count == request->n_users);
    for (size_t i = 0; i < live.count; i++) hold(same(live.users[i], request->users[i]));
    muster__v1__live_request__free_unpacked(request, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if ((data[0] & 1) == 0) compare_touch(data + 1, size - 1);
    else compare_live(data + 1, size - 1);
    return 0;
}
