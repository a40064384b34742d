#include "health_service.h"

#include "common/protobuf.h"

#include <assert.h>
#include <stdlib.h>

/* Of proto/grpc/health/v1/health.proto. */
enum status { STATUS_NONE, STATUS_SERVING = 1, STATUS_NOT_SERVING = 2, STATUS_SERVICE_UNKNOWN = 3 };
enum { REQUEST_SERVICE = 1, RESPONSE_STATUS = 1, LIST_STATUSES = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2 };

enum {
    RESPONSE_BYTES = 2,
    LIST_BYTES_MAX = 2048,
};

/* A call of Watch. */
struct health_watch {
    struct health_watch *next, **link; /* of its loop; link points to what points here; NULL: it is in no list */
    struct grpc_call *call;
    bool is_known; /* the service that is watched */
    enum status told;
};

/* What one loop has; only that loop's thread touches it. */
struct loop_health {
    struct health_watch *watches;
    enum status told; /* to all watches whose answers have left; STATUS_NONE: they were told different things */
    bool is_draining;
};

struct health_service {
    const char *const *names;
    bool (*is_serving)(void *context);
    void *context;
    struct loop_health loops[]; /* one a loop */
};

struct health_service *health_service_new(struct loops *loops, const char *const *names,
                                          bool (*is_serving)(void *context), void *context) {
    struct health_service *health = calloc(1, sizeof *health + loops_count(loops) * sizeof health->loops[0]);
    if (health == NULL) return NULL;
    health->names = names;
    health->is_serving = is_serving;
    health->context = context;
    return health;
}

void health_service_free(struct health_service *health) {
    free(health);
}

static enum status status_now(const struct health_service *health, const struct loop_health *loop) {
    return !loop->is_draining && health->is_serving(health->context) ? STATUS_SERVING : STATUS_NOT_SERVING;
}

static struct loop_health *loop_of(struct health_service *health, const struct grpc_call *call) {
    return &health->loops[grpc_call_loop(call)];
}

/* The service of a HealthCheckRequest. False: it is none. */
static bool read_request(struct text request, struct text *service) {
    *service = (struct text){0};
    struct pb_reader in = pb_read(request);
    for (struct pb_field field; pb_next(&in, &field);)
        if (field.tag == PB_TAG(REQUEST_SERVICE, PB_BYTES)) *service = field.bytes;
    return !in.is_broken;
}

static bool is_known(const struct health_service *health, struct text service) {
    if (service.len == 0) return true;
    for (const char *const *name = health->names; *name != NULL; name++)
        if (text_equal(service, text_of(*name))) return true;
    return false;
}

static struct text write_response(uint8_t out[RESPONSE_BYTES], enum status status) {
    uint8_t *end = pb_put_number(out, RESPONSE_STATUS, status);
    return (struct text){(const char *)out, (uint32_t)(end - out)};
}

static void refuse_call(struct grpc_call *call, enum muster_code code, const char *why) {
    grpc_call_answer(call, code, text_of(why), (struct text){0});
}

/* ---- Check, List ---- */

static void check(void *service, struct grpc_call *call, struct text message) {
    struct health_service *health = service;
    struct text name;
    uint8_t response[RESPONSE_BYTES];
    if (!read_request(message, &name)) refuse_call(call, MUSTER_INVALID_ARGUMENT, "not a HealthCheckRequest");
    else if (!is_known(health, name)) refuse_call(call, MUSTER_NOT_FOUND, "there is no such service");
    else
        grpc_call_answer(call, MUSTER_OK, (struct text){0},
                         write_response(response, status_now(health, loop_of(health, call))));
}

static void write_entry(struct pb_writer *out, const char *name, struct text response) {
    uint8_t *entry = pb_begin(out, LIST_STATUSES);
    pb_write_element(out, ENTRY_KEY, text_of(name));
    pb_write_element(out, ENTRY_VALUE, response);
    pb_end(out, entry);
}

static void list(void *service, struct grpc_call *call, struct text message) {
    (void)message; /* it has no fields */
    struct health_service *health = service;
    uint8_t response_bytes[RESPONSE_BYTES], bytes[LIST_BYTES_MAX];
    struct text response = write_response(response_bytes, status_now(health, loop_of(health, call)));
    struct pb_writer out = pb_write_to(bytes, sizeof bytes);
    write_entry(&out, "", response);
    for (const char *const *name = health->names; *name != NULL; name++) write_entry(&out, *name, response);
    assert(!out.is_full); /* the names are the program's own */
    grpc_call_answer(call, MUSTER_OK, (struct text){0}, pb_written_text(&out));
}

/* ---- Watch ---- */

static void link_watch(struct loop_health *loop, struct health_watch *watch) {
    watch->next = loop->watches;
    watch->link = &loop->watches;
    if (watch->next != NULL) watch->next->link = &watch->next;
    loop->watches = watch;
}

static void unlink_watch(struct health_watch *watch) {
    if (watch->link == NULL) return;
    *watch->link = watch->next;
    if (watch->next != NULL) watch->next->link = watch->link;
    watch->link = NULL;
}

static void tell_status(struct health_watch *watch, enum status status) {
    uint8_t response[RESPONSE_BYTES];
    watch->told = status;
    grpc_call_send(watch->call, write_response(response, status));
}

/* Tells a change, unless an answer is on its way: then watch_drained does. */
static void tell_change(struct health_watch *watch, enum status status) {
    if (watch->is_known && watch->told != status && grpc_call_unsent(watch->call) == 0) tell_status(watch, status);
}

/* Ends a Watch of a node that stops: its last word counts, also behind another one that has not left. The call is over
 * then, and the watch is freed. */
static void end_watch(struct health_watch *watch) {
    if (watch->is_known && watch->told != STATUS_NOT_SERVING) tell_status(watch, STATUS_NOT_SERVING);
    unlink_watch(watch);
    grpc_call_finish(watch->call, MUSTER_UNAVAILABLE, text_of("the node stops"));
}

static void watch_begin(void *service, struct grpc_call *call, struct text message) {
    struct health_service *health = service;
    struct loop_health *loop = loop_of(health, call);
    struct text name;
    if (!read_request(message, &name)) {
        refuse_call(call, MUSTER_INVALID_ARGUMENT, "not a HealthCheckRequest");
        return;
    }
    struct health_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        refuse_call(call, MUSTER_RESOURCE_EXHAUSTED, "memory is short");
        return;
    }
    watch->call = call;
    watch->is_known = is_known(health, name);
    *grpc_call_data(call) = watch;
    link_watch(loop, watch);
    enum status status = status_now(health, loop);
    tell_status(watch, watch->is_known ? status : STATUS_SERVICE_UNKNOWN);
    if (loop->is_draining) end_watch(watch);
}

/* After each answer, the first one too. What this watch was told and the others were not must not hide the next change
 * from it. */
static void watch_drained(void *service, struct grpc_call *call) {
    struct health_service *health = service;
    struct loop_health *loop = loop_of(health, call);
    struct health_watch *watch = *grpc_call_data(call);
    if (watch == NULL) return;
    enum status status = status_now(health, loop);
    if (status != loop->told) loop->told = STATUS_NONE;
    tell_change(watch, status);
}

static void watch_closed(void *service, struct grpc_call *call) {
    (void)service;
    struct health_watch *watch = *grpc_call_data(call);
    if (watch == NULL) return;
    unlink_watch(watch);
    free(watch);
}

static void turn_ends(void *service, unsigned loop_number, struct instant now) {
    (void)now;
    struct health_service *health = service;
    struct loop_health *loop = &health->loops[loop_number];
    if (loop->watches == NULL || loop->is_draining) return;
    enum status status = status_now(health, loop);
    if (status == loop->told) return;
    loop->told = status;
    for (struct health_watch *watch = loop->watches; watch != NULL; watch = watch->next) tell_change(watch, status);
}

static void draining(void *service, unsigned loop_number) {
    struct health_service *health = service;
    struct loop_health *loop = &health->loops[loop_number];
    loop->is_draining = true;
    while (loop->watches != NULL) end_watch(loop->watches);
}

static const struct grpc_method methods[] = {
    {.path = "/grpc.health.v1.Health/Check", .is_request_one = true, .message = check},
    {.path = "/grpc.health.v1.Health/List", .is_request_one = true, .message = list},
    {.path = "/grpc.health.v1.Health/Watch",
     .is_request_one = true,
     .message = watch_begin,
     .drained = watch_drained,
     .closed = watch_closed},
};

struct grpc_service health_service_table(struct health_service *health) {
    return (struct grpc_service){
        .name = "grpc.health.v1.Health",
        .service = health,
        .methods = methods,
        .method_count = sizeof methods / sizeof methods[0],
        .turn_ends = turn_ends,
        .draining = draining,
    };
}
