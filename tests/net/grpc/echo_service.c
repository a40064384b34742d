#include "echo_service.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct echo_service *echo_service_new(void) {
    struct echo_service *echo = calloc(1, sizeof *echo);
    for (size_t i = 0; echo != NULL && i < LOOPS_MAX; i++)
        if ((echo->seats[i] = calloc(1, sizeof *echo->seats[i])) == NULL) abort();
    return echo;
}

void echo_service_free(struct echo_service *echo) {
    for (size_t i = 0; i < LOOPS_MAX; i++) free(echo->seats[i]);
    free(echo);
}

static void echo_opened(void *service, struct grpc_call *call) {
    struct echo_service *echo = service;
    const struct text ping = grpc_call_metadata(call, "x-echo", 0);
    const struct text binary = grpc_call_metadata(call, "x-echo-bin", 0);
    atomic_fetch_add(&echo->opened, 1);
    if (ping.len > 0) (void)grpc_call_add_header(call, text_of("x-echo"), ping);
    if (binary.len > 0) (void)grpc_call_add_trailer(call, text_of("x-echo-bin"), binary);
}

static void echo_closed(void *service, struct grpc_call *call) {
    struct echo_service *echo = service;
    struct echo_seat *seat = echo->seats[grpc_call_loop(call)];
    atomic_fetch_add(&echo->closed, 1);
    for (size_t i = 0; i < seat->borrowed_count; i++)
        if (seat->borrowed[i].call == call) seat->borrowed[i].call = NULL;
}

static void echo_answer(struct grpc_call *call, struct text message) {
    if (text_equal(message, text_of("fail")))
        grpc_call_finish(call, MUSTER_NOT_FOUND, text_of("nobody, 100 % ünknown"));
    else grpc_call_answer(call, MUSTER_OK, (struct text){0}, message);
}

static void echo_once(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    atomic_fetch_add(&echo->messages, 1);
    echo_answer(call, message);
}

static void echo_every(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    atomic_fetch_add(&echo->messages, 1);
    grpc_call_send(call, message);
}

static void echo_every_ends(void *service, struct grpc_call *call) {
    (void)service;
    grpc_call_finish(call, MUSTER_OK, (struct text){0});
}

static void echo_drained(void *service, struct grpc_call *call) {
    struct echo_service *echo = service;
    (void)call;
    atomic_fetch_add(&echo->drained, 1);
}

static void echo_hold(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    (void)call, (void)message;
    atomic_fetch_add(&echo->messages, 1);
}

static void echo_borrowed(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    struct echo_seat *seat = echo->seats[grpc_call_loop(call)];
    atomic_fetch_add(&echo->messages, 1);
    if (seat->borrowed_count == ECHO_BORROWED_MAX) {
        echo_answer(call, message);
        return;
    }
    seat->borrowed[seat->borrowed_count].call = call;
    seat->borrowed[seat->borrowed_count++].message = message;
    grpc_call_borrow(call);
}

static void echo_commit(void *service, unsigned loop) {
    struct echo_service *echo = service;
    struct echo_seat *seat = echo->seats[loop];
    for (size_t i = 0; i < seat->borrowed_count; i++)
        if (seat->borrowed[i].call != NULL) echo_answer(seat->borrowed[i].call, seat->borrowed[i].message);
    seat->borrowed_count = 0;
}

struct errand {
    struct echo_service *echo;
    struct grpc_handle *handle;
    uint32_t len;
    char bytes[];
};

static void *run_errand(void *context) {
    struct errand *errand = context;
    grpc_handle_send(errand->handle, (struct text){errand->bytes, errand->len});
    grpc_handle_finish(errand->handle, MUSTER_OK, (struct text){0});
    grpc_handle_release(errand->handle);
    atomic_fetch_sub(&errand->echo->errands, 1);
    free(errand);
    return NULL;
}

static void echo_elsewhere(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    struct errand *errand = malloc(sizeof *errand + message.len);
    pthread_t thread;
    if (errand == NULL) abort();
    atomic_fetch_add(&echo->messages, 1);
    atomic_fetch_add(&echo->errands, 1);
    errand->echo = echo;
    errand->handle = grpc_call_handle(call);
    errand->len = message.len;
    if (message.len > 0) memcpy(errand->bytes, message.data, message.len);
    if (errand->handle == NULL || pthread_create(&thread, NULL, run_errand, errand) != 0) abort();
    pthread_detach(thread);
}

static void echo_keep(void *service, struct grpc_call *call, struct text message) {
    struct echo_service *echo = service;
    (void)message;
    atomic_store(&echo->kept, grpc_call_handle(call));
}

void echo_service_await(struct echo_service *echo) {
    while (atomic_load(&echo->errands) > 0) usleep(1000);
}

struct grpc_handle *echo_service_kept(struct echo_service *echo) {
    struct grpc_handle *handle;
    while ((handle = atomic_exchange(&echo->kept, NULL)) == NULL) usleep(1000);
    return handle;
}

static const struct grpc_method echo_methods[] = {
    {.path = "/test.Echo/Keep",
     .is_request_one = true,
     .opened = echo_opened,
     .message = echo_keep,
     .closed = echo_closed},
    {.path = "/test.Echo/Once",
     .is_request_one = true,
     .opened = echo_opened,
     .message = echo_once,
     .closed = echo_closed},
    {.path = "/test.Echo/Every",
     .opened = echo_opened,
     .message = echo_every,
     .half_closed = echo_every_ends,
     .drained = echo_drained,
     .closed = echo_closed},
    {.path = "/test.Echo/Hold",
     .is_request_one = true,
     .opened = echo_opened,
     .message = echo_hold,
     .closed = echo_closed},
    {.path = "/test.Echo/Borrowed",
     .is_request_one = true,
     .opened = echo_opened,
     .message = echo_borrowed,
     .closed = echo_closed},
    {.path = "/test.Echo/Elsewhere",
     .is_request_one = true,
     .opened = echo_opened,
     .message = echo_elsewhere,
     .closed = echo_closed},
};

struct grpc_service echo_service_table(struct echo_service *echo) {
    return (struct grpc_service){.name = "test.Echo",
                                 .service = echo,
                                 .methods = echo_methods,
                                 .method_count = sizeof echo_methods / sizeof echo_methods[0],
                                 .commit = echo_commit};
}
