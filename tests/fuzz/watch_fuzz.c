/* Requests that wait: a history of calls, some parked, pumped and hung up. Every place comes back exactly once, and
 * every answer decodes and fits.
 *
 * An input is a row of steps: a byte that says what happens besides, a byte of length, and so many bytes of a Call. A
 * Watch whose cursor is one byte goes on with the cursor that was answered last. */
#include "fuzz.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "node/tick.h"
#include "tests/support/call_bytes.h"

#include <stdbool.h>
#include <string.h>

enum { WATCHES_MAX = 8, PLACES = WATCHES_MAX + 1 };

struct place {
    bool is_out;
};

static struct {
    struct node *node;
    struct rpc *rpc;
    struct watches *watches;
    struct worker *worker, *pump_worker;
    struct instant now;
    struct place places[PLACES];
    uint64_t asked;
    bool has_room;
    uint8_t cursor[MUSTER_CURSOR_BYTES_MAX];
    size_t cursor_len;
} rig;

/* Frees it. */
static void check_reply(uint8_t *reply, size_t len) {
    hold(len <= MUSTER_MESSAGE_BYTES_MAX);
    Muster__V1__Reply *decoded = muster__v1__reply__unpack(NULL, len, reply);
    free(reply);
    hold(decoded != NULL);
    if (decoded->response_case == MUSTER__V1__REPLY__RESPONSE_WATCH) {
        const Muster__V1__WatchResponse *watch = decoded->watch;
        hold(watch->cursor.len > 0 && watch->cursor.len <= sizeof rig.cursor);
        memcpy(rig.cursor, watch->cursor.data, watch->cursor.len);
        rig.cursor_len = watch->cursor.len;
    }
    muster__v1__reply__free_unpacked(decoded, NULL);
}

static bool has_room(void *context, const struct waiter *waiter) {
    (void)context;
    hold(((const struct place *)waiter->reply_slot)->is_out);
    return rig.has_room;
}

static void deliver(void *context, const struct waiter *waiter, const struct response *response, bool is_last) {
    (void)context;
    struct place *place = waiter->reply_slot;
    hold(place->is_out && (is_last || waiter->is_stream));
    hold(response != NULL || is_last);
    place->is_out = !is_last;
    if (response == NULL) return;
    size_t len;
    uint8_t *reply = reply_bytes(METHOD_WATCH, response, &len);
    check_reply(reply, len);
}

static const struct watch_door door = {NULL, has_room, deliver};

static void begin(void) {
    const struct node_config config = {.hash_key = "fuzz fuzz fuzz.",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = 120000,
                                       .members_max = 500,
                                       .bytes_max = 64 << 20};
    memset(&rig, 0, sizeof rig);
    rig.now = (struct instant){UINT64_C(1) << 40, UINT64_C(1700000000000)};
    rig.has_room = true;
    hold((rig.node = node_new(&config, rig.now)) != NULL);
    hold((rig.rpc = rpc_new(rig.node, WATCHES_MAX)) != NULL);
    rig.watches = rpc_watches(rig.rpc);
    hold((rig.worker = worker_new()) != NULL);
    hold((rig.pump_worker = worker_new()) != NULL);
}

static void end(void) {
    pump_stop(rig.watches);
    rig.has_room = true;
    pump_run(rig.watches, rig.pump_worker, rig.now);
    for (size_t i = 0; i < PLACES; i++) hold(!rig.places[i].is_out);
    rpc_free(rig.rpc);
    node_free(rig.node);
    worker_free(rig.worker);
    worker_free(rig.pump_worker);
}

static void ask_or_park(const uint8_t *request, size_t len) {
    size_t at = 0;
    while (rig.places[at].is_out) hold(++at < PLACES);
    struct place *place = &rig.places[at];
    const struct waiter waiter = {
        .reply_slot = place, .connection = rig.asked % 3, .door = &door, .is_stream = rig.asked % 2 == 1};
    size_t reply_len;
    rig.asked++;
    place->is_out = true;
    uint8_t *reply = call_bytes(rig.rpc, rig.worker, request, len, rig.now, &waiter, &reply_len);
    if (reply == NULL) return;
    hold(place->is_out);
    place->is_out = false;
    check_reply(reply, reply_len);
}

/* A Watch that is to go on gets the last cursor. */
static void ask_bytes(const uint8_t *data, size_t size) {
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, size, data);
    if (call == NULL || call->request_case != MUSTER__V1__CALL__REQUEST_WATCH || call->watch->cursor.len != 1) {
        ask_or_park(data, size);
    } else {
        ProtobufCBinaryData own = call->watch->cursor;
        call->watch->cursor = (ProtobufCBinaryData){rig.cursor_len, rig.cursor};
        uint8_t *packed = malloc(muster__v1__call__get_packed_size(call) + 1);
        hold(packed != NULL);
        size_t len = muster__v1__call__pack(call, packed);
        ask_or_park(packed, len);
        free(packed);
        call->watch->cursor = own;
    }
    if (call != NULL) muster__v1__call__free_unpacked(call, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    begin();
    while (size >= 2) {
        uint8_t what = data[0];
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        ask_bytes(data + 2, len);
        data += 2 + len;
        size -= 2 + len;
        rig.now.now_ms += (what & 7) * 400u;
        rig.now.wall_ms += what & 7;
        rig.has_room = (what & 8) == 0;
        if (rig.has_room) pump_has_room(rig.watches, &door, what & 3);
        if (what & 16) pump_hang_up(rig.watches, &door, what >> 6);
        if (what & 32) node_tick(rig.node, rig.now);
        pump_run(rig.watches, rig.pump_worker, rig.now);
    }
    end();
    return 0;
}
