#include "fake_call.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool is_true, const char *what) {
    if (is_true) return;
    fprintf(stderr, "a service breaks the rules of its calls: %s\n", what);
    abort();
}

struct grpc_call *fake_call_new(const struct grpc_service *service, size_t method, unsigned loop) {
    struct grpc_call *call = calloc(1, sizeof *call);
    require(call != NULL && method < service->method_count, "fake_call_new");
    call->service = service;
    call->method = &service->methods[method];
    call->loop = loop;
    if (call->method->opened != NULL) call->method->opened(service->service, call);
    return call;
}

void fake_call_message(struct grpc_call *call, struct text message) {
    if (!call->is_finished && !call->is_closed) call->method->message(call->service->service, call, message);
}

void fake_call_half_close(struct grpc_call *call) {
    if (call->is_finished || call->is_closed || call->method->half_closed == NULL) return;
    call->method->half_closed(call->service->service, call);
}

void fake_call_drain(struct grpc_call *call) {
    if (call->unsent == 0) return;
    call->unsent = 0;
    if (call->is_finished || call->is_closed || call->method->drained == NULL) return;
    call->method->drained(call->service->service, call);
}

static void fake_call_close(struct grpc_call *call) {
    if (call->is_closed) return;
    call->is_closed = true;
    if (call->method->closed != NULL) call->method->closed(call->service->service, call);
}

void fake_call_free(struct grpc_call *call) {
    if (call == NULL) return;
    fake_call_close(call);
    for (size_t i = 0; i < FAKE_MESSAGES_MAX; i++) free(call->messages[i]);
    free(call);
}

struct text fake_call_last(const struct grpc_call *call) {
    require(call->message_count > 0, "nothing was sent");
    size_t slot = (call->message_count - 1) % FAKE_MESSAGES_MAX;
    return (struct text){call->messages[slot], call->message_lens[slot]};
}

/* ---- service.h ---- */

unsigned grpc_call_loop(const struct grpc_call *call) {
    return call->loop;
}

void **grpc_call_data(struct grpc_call *call) {
    return &call->data;
}

size_t grpc_call_unsent(const struct grpc_call *call) {
    return call->unsent;
}

void grpc_call_send(struct grpc_call *call, struct text message) {
    require(!call->is_finished && !call->is_closed, "it sends in a call that is over");
    size_t slot = call->message_count++ % FAKE_MESSAGES_MAX;
    free(call->messages[slot]);
    char *copy = malloc(message.len > 0 ? message.len : 1);
    require(copy != NULL, "memory");
    if (message.len > 0) memcpy(copy, message.data, message.len);
    call->messages[slot] = copy;
    call->message_lens[slot] = message.len;
    call->unsent += message.len + 5; /* the prefix */
}

/* As a door may do it, the call is over before this returns. */
void grpc_call_finish(struct grpc_call *call, enum muster_code code, struct text message) {
    require(!call->is_finished && !call->is_closed, "it finishes a call that is over");
    call->is_finished = true;
    call->code = code;
    snprintf(call->status_message, sizeof call->status_message, "%.*s", (int)message.len,
             message.len > 0 ? message.data : "");
    fake_call_close(call);
}

void grpc_call_answer(struct grpc_call *call, enum muster_code code, struct text message, struct text body) {
    require(call->message_count == 0, "it answers twice");
    if (code == MUSTER_OK) grpc_call_send(call, body);
    grpc_call_finish(call, code, message);
}
