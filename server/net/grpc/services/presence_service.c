#include "presence_service_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PRESENCE_NAME "muster.v1.Presence"

/* ---- requests ---- */

/* The token of `authorization: Bearer TOKEN` (RFC 6750); empty: there is none, or it is of another scheme. */
static struct text bearer_token(const struct grpc_call *call) {
    static const char scheme[] = "Bearer ";
    struct text value = grpc_call_metadata(call, "authorization", 0);
    uint32_t len = sizeof scheme - 1;
    if (value.len <= len || strncasecmp(value.data, scheme, len) != 0) return (struct text){0};
    while (len < value.len && value.data[len] == ' ') len++;
    return (struct text){value.data + len, value.len - len};
}

static void answer_call(struct grpc_call *call, const struct response *response) {
    grpc_call_answer(call, response->code, response->message, response->body);
}

static void answer_touch(void *context, void *call, const struct response *response) {
    (void)context;
    answer_call(call, response);
}

static bool gather_touch(struct rpc_seat *seat, struct grpc_call *call, const struct request *request) {
    struct stream *stream = grpc_call_stream(call);
    (void)rpc_seat_next(seat, stream); /* the ticket is the call */
    if (!rpc_seat_gather(seat, stream, request, call)) return false;
    *grpc_call_mark(call) = rpc_seat_group(seat);
    grpc_call_borrow(call);
    return true;
}

static void answer_request(struct presence_service *presence, struct grpc_call *call, struct request *request) {
    struct response response;
    struct rpc_seat *seat = presence->seats[grpc_call_loop(call)];
    if (request->method == METHOD_WATCH) {
        presence_watch_open(presence, call, request);
        return;
    }
    rpc_answer(presence->rpc, rpc_seat_worker(seat), request, grpc_call_now(call), NULL, &response);
    answer_call(call, &response);
}

/* The client has sent its request: the requests of a connection take effect in the order in which they became whole.
 * While the node stops, what comes before the last GOAWAY is still answered: a client of gRPC does not ask again of its
 * own accord, as libmuster does. */
static void take_request(void *context, struct grpc_call *call, struct text body) {
    struct presence_service *presence = context;
    struct rpc_seat *seat = presence->seats[grpc_call_loop(call)];
    struct stream *stream = grpc_call_stream(call);
    struct request request = {.method = (enum method)(uintptr_t)grpc_call_method(call)->given,
                              .token = bearer_token(call),
                              .body = body,
                              .stalled_ms = (uint32_t)grpc_call_stale_ms(call)};
    if (request.method == METHOD_TOUCH && gather_touch(seat, call, &request)) return;
    if (*grpc_call_mark(call) == rpc_seat_group(seat)) stream_commit(stream); /* in the order in which they came */
    if (request.method == METHOD_WATCH && stream_must_refuse(stream)) {       /* it would wait */
        answer_call(call, &rpc_seat_stops);
        return;
    }
    if (method_entry(request.method)->writes) {
        grpc_call_look(call); /* right before it takes effect */
        request.stalled_ms = (uint32_t)grpc_call_stale_ms(call);
    }
    answer_request(presence, call, &request);
}

static void commit_touches(void *context, unsigned loop) {
    const struct presence_service *presence = context;
    rpc_seat_commit(presence->seats[loop], answer_touch, NULL);
}

/* ---- the service ---- */

static void add_method(struct presence_service *presence, enum method method) {
    size_t i = presence->method_count++;
    char *path = presence->paths[i];
    int len = snprintf(path, PRESENCE_PATH_BYTES, "/" PRESENCE_NAME "/%s", method_entry(method)->name);
    assert(len < PRESENCE_PATH_BYTES);
    (void)len;
    presence->methods[i] = (struct grpc_method){
        .path = path, .given = (const void *)(uintptr_t)method, .is_request_one = true, .message = take_request};
    if (method != METHOD_WATCH) return;
    presence->methods[i].drained = presence_watch_drained;
    presence->methods[i].closed = presence_watch_closed;
}

struct presence_service *presence_service_new(struct loops *loops, struct rpc *rpc, struct watch_task *watch_task) {
    struct presence_service *presence = calloc(1, sizeof *presence);
    if (presence == NULL) return NULL;
    presence->rpc = rpc;
    presence->watch_task = watch_task;
    presence->watch_door = presence_watch_door(presence);
    for (enum method method = 0; method < METHODS; method++)
        if (method_entry(method)->name != NULL) add_method(presence, method);
    for (unsigned i = 0; i < loops_count(loops); i++) {
        if ((presence->seats[i] = rpc_seat_new(rpc)) != NULL) continue;
        presence_service_free(presence);
        return NULL;
    }
    return presence;
}

struct grpc_service presence_service_table(struct presence_service *presence) {
    return (struct grpc_service){.name = PRESENCE_NAME,
                                 .service = presence,
                                 .methods = presence->methods,
                                 .method_count = presence->method_count,
                                 .commit = commit_touches};
}

void presence_service_free(struct presence_service *presence) {
    if (presence == NULL) return;
    for (size_t i = 0; i < LOOPS_MAX; i++) rpc_seat_free(presence->seats[i]);
    free(presence);
}
