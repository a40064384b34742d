#include "counting_echo.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static const struct text nothing = {"", 0};

/* What a call keeps between its messages. */
struct collected {
    unsigned messages;
    size_t bytes;
};

static void count_opened(void *service, struct grpc_call *call) {
    struct counting_echo *echo = service;
    (void)call;
    echo->opened++;
}

static void count_closed(void *service, struct grpc_call *call) {
    struct counting_echo *echo = service;
    echo->closed++;
    free(*grpc_call_data(call));
    *grpc_call_data(call) = NULL;
}

static void count_drained(void *service, struct grpc_call *call) {
    struct counting_echo *echo = service;
    echo->drained++;
    if (grpc_call_unsent(call) != 0) fail_msg("drained, with %zu bytes unsent", grpc_call_unsent(call));
}

static void count_message(struct counting_echo *echo, struct text message) {
    echo->messages++;
    echo->bytes += message.len;
}

static void answer_unary(void *service, struct grpc_call *call, struct text message) {
    struct counting_echo *echo = service;
    count_message(service, message);
    echo->stale += grpc_call_stale_ms(call) > 0;
    grpc_call_answer(call, MUSTER_OK, nothing, message);
}

static void answer_metadata(void *service, struct grpc_call *call, struct text message) {
    static const char *const names[] = {"x-text", "x-bin"};
    char copy[ECHO_FIELD_BYTES];
    for (size_t n = 0; n < 2; n++) {
        struct text value = grpc_call_metadata(call, names[n], 0);
        if (value.len == 0 || value.len > sizeof copy) continue;
        memcpy(copy, value.data, value.len);
        struct text copied = {copy, value.len};
        if (!grpc_call_add_header(call, text_of(names[n]), copied)) fail_msg("no header is taken");
        if (!grpc_call_add_trailer(call, text_of(names[n]), copied)) fail_msg("no trailer is taken");
    }
    answer_unary(service, call, message);
}

static void send_back(void *service, struct grpc_call *call, struct text message) {
    count_message(service, message);
    grpc_call_send(call, message);
}

static void finish_stream(void *service, struct grpc_call *call) {
    struct counting_echo *echo = service;
    echo->half_closed++;
    grpc_call_finish(call, MUSTER_OK, nothing);
}

static void collect(void *service, struct grpc_call *call, struct text message) {
    struct collected **collected = (struct collected **)grpc_call_data(call);
    count_message(service, message);
    if (*collected == NULL && (*collected = calloc(1, sizeof **collected)) == NULL) abort();
    (*collected)->messages++;
    (*collected)->bytes += message.len;
}

static void finish_collect(void *service, struct grpc_call *call) {
    struct counting_echo *echo = service;
    const struct collected *collected = *grpc_call_data(call);
    char text[64];
    echo->half_closed++;
    snprintf(text, sizeof text, "%u %zu", collected != NULL ? collected->messages : 0,
             collected != NULL ? collected->bytes : (size_t)0);
    grpc_call_answer(call, MUSTER_OK, nothing, text_of(text));
}

/* False: the call is ended, since its request is none. */
static bool copy_request(struct grpc_call *call, struct text message, char *out, size_t size) {
    if (message.len >= size) {
        grpc_call_finish(call, MUSTER_INVALID_ARGUMENT, text_of("too long"));
        return false;
    }
    if (message.len > 0) memcpy(out, message.data, message.len);
    out[message.len] = '\0';
    return true;
}

static void send_many(void *service, struct grpc_call *call, struct text message) {
    unsigned count = 0, size = 0;
    char request[64];
    count_message(service, message);
    if (!copy_request(call, message, request, sizeof request)) return;
    if (sscanf(request, "%u %u", &count, &size) != 2 || count > ECHO_MANY_MAX || size > ECHO_MANY_BYTES_MAX) {
        grpc_call_finish(call, MUSTER_INVALID_ARGUMENT, text_of("COUNT SIZE"));
        return;
    }
    char *bytes = calloc(1, size + 1);
    if (bytes == NULL) abort();
    for (unsigned i = 0; i < count; i++) {
        memset(bytes, 'a' + (int)(i % 26), size);
        grpc_call_send(call, (struct text){bytes, size});
    }
    free(bytes);
    grpc_call_finish(call, MUSTER_OK, nothing);
}

static void fail_call(void *service, struct grpc_call *call, struct text message) {
    char request[4096];
    int code = MUSTER_UNKNOWN, at = 0;
    count_message(service, message);
    if (!copy_request(call, message, request, sizeof request)) return;
    if (sscanf(request, "%d %n", &code, &at) < 1 || code < 1 || code > MUSTER_UNAUTHENTICATED) code = MUSTER_UNKNOWN;
    grpc_call_finish(call, (enum muster_code)code, text_of(request + at));
}

static void sleep_on(void *service, struct grpc_call *call, struct text message) {
    (void)call;
    count_message(service, message);
}

static void answer_later(void *service, struct grpc_call *call, struct text message) {
    struct counting_echo *echo = service;
    count_message(echo, message);
    if (echo->later_count == ECHO_LATER_MAX) {
        grpc_call_answer(call, MUSTER_OK, nothing, message);
        return;
    }
    grpc_call_borrow(call);
    echo->later[echo->later_count].body = message;
    if ((echo->later[echo->later_count++].handle = grpc_call_handle(call)) == NULL) abort();
}

static void commit_later(void *service, unsigned loop) {
    struct counting_echo *echo = service;
    (void)loop;
    for (unsigned i = 0; i < echo->later_count; i++) {
        grpc_handle_send(echo->later[i].handle, echo->later[i].body);
        grpc_handle_finish(echo->later[i].handle, MUSTER_OK, nothing);
        grpc_handle_release(echo->later[i].handle);
    }
    echo->later_count = 0;
}

static void count_draining(void *service, unsigned loop) {
    struct counting_echo *echo = service;
    (void)loop;
    echo->drainings++;
}

#define COUNTED .opened = count_opened, .closed = count_closed, .drained = count_drained
static const struct grpc_method methods[] = {
    {.path = ECHO_UNARY, .is_request_one = true, .message = answer_unary, COUNTED},
    {.path = ECHO_STREAM, .message = send_back, .half_closed = finish_stream, COUNTED},
    {.path = ECHO_COLLECT, .message = collect, .half_closed = finish_collect, COUNTED},
    {.path = ECHO_MANY, .is_request_one = true, .message = send_many, COUNTED},
    {.path = ECHO_FAIL, .is_request_one = true, .message = fail_call, COUNTED},
    {.path = ECHO_SLEEP, .is_request_one = true, .message = sleep_on, COUNTED},
    {.path = ECHO_LATER, .is_request_one = true, .message = answer_later, COUNTED},
    {.path = ECHO_METADATA, .is_request_one = true, .message = answer_metadata, COUNTED},
};

struct grpc_service counting_echo_table(struct counting_echo *echo) {
    return (struct grpc_service){.name = "test.Echo",
                                 .service = echo,
                                 .methods = methods,
                                 .method_count = sizeof methods / sizeof *methods,
                                 .commit = commit_later,
                                 .draining = count_draining};
}
