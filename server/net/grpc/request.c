/* The headers of a request, and what they decide. */
#include "grpc_door_internal.h"
#include "header_text.h"
#include "muster/limits.h"

#include <stdio.h>

enum {
    FIELD_OVERHEAD_BYTES = 32, /* RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE */
    HEADERS_UNCOUNTED_BYTES = 1024,
};

static struct text text_of_vec(nghttp2_vec bytes) {
    return (struct text){(const char *)bytes.base, (uint32_t)bytes.len};
}

/* Its length is known when this is compiled. */
#define IS_NAMED(name, literal) text_equal(name, (struct text){literal, sizeof(literal) - 1})

/* ---- one field ---- */

static void find_service(struct grpc_call *call, struct text path) {
    const struct grpc_door_config *config = &call->connection->seat->door->config;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct grpc_service *service = &config->services[i];
        size_t name_len = strlen(service->name);
        if (path.len < name_len + 2 || path.data[name_len + 1] != '/') continue;
        if (memcmp(path.data + 1, service->name, name_len) == 0) call->service = service;
    }
}

static void find_method(struct grpc_call *call, struct text path) {
    const struct grpc_door *door = call->connection->seat->door;
    for (size_t i = 0; i < door->route_count; i++) {
        const struct grpc_route *route = &door->routes[i];
        if (!text_equal(path, route->path)) continue;
        call->service = route->service;
        call->method = route->method;
        return;
    }
    find_service(call, path);
}

static void add_pseudo(struct grpc_call *call, struct text name, nghttp2_rcbuf *value_of, struct text value) {
    struct request_head *head = &call->head;
    if (IS_NAMED(name, ":method")) {
        head->is_post = IS_NAMED(value, "POST");
        head->is_head = IS_NAMED(value, "HEAD");
    } else if (IS_NAMED(name, ":path") && head->path == NULL) {
        nghttp2_rcbuf_incref(value_of);
        head->path = value_of;
        find_method(call, value);
    }
}

/* Whether the door itself is all that reads it. */
static bool add_known(struct grpc_call *call, struct text name, struct text value) {
    struct request_head *head = &call->head;
    switch (name.len) {
    case sizeof "te" - 1:
        return IS_NAMED(name, "te");
    case sizeof "content-type" - 1: /* and grpc-timeout */
        if (IS_NAMED(name, "content-type")) head->is_grpc = content_type_is_grpc(value);
        else if (IS_NAMED(name, "grpc-timeout")) head->has_bad_timeout = !timeout_read(value, &head->timeout_us);
        else return false;
        return true;
    case sizeof "grpc-encoding" - 1:
        if (!IS_NAMED(name, "grpc-encoding")) return false;
        head->coding = coding_of(value);
        return true;
    case sizeof "grpc-accept-encoding" - 1:
        if (!IS_NAMED(name, "grpc-accept-encoding")) return false;
        head->takes_gzip |= coding_accepts_gzip(value);
        return true;
    default:
        return false;
    }
}

static void spend_excess(struct connection *connection, size_t bytes) {
    connection->excess_bytes += bytes;
    if (connection->excess_bytes < 1024) return;
    connection_spend(connection, (uint32_t)(connection->excess_bytes / 1024) * NUISANCE_HEADER_KIB);
    connection->excess_bytes %= 1024;
}

void request_drop_headers(struct grpc_call *call) {
    header_list_free(&call->headers);
    if (call->head.headers_counted == 0) return;
    connection_give_bytes(call->connection, call->head.headers_counted);
    call->head.headers_counted = 0;
}

/* What every request has is counted with its call: by their number. */
static bool count_headers(struct grpc_call *call) {
    struct request_head *head = &call->head;
    if (head->header_bytes <= HEADERS_UNCOUNTED_BYTES) return true;
    uint32_t more = head->header_bytes - head->headers_counted;
    if (!connection_take_bytes(call->connection, more)) return false;
    head->headers_counted += more;
    return true;
}

static size_t field_bytes(nghttp2_rcbuf *name, nghttp2_rcbuf *value) {
    return nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len + FIELD_OVERHEAD_BYTES;
}

/* Past the limit a field costs no memory and next to no time, whatever HPACK makes of it. */
static bool is_within_limit(struct grpc_call *call, size_t bytes) {
    struct request_head *head = &call->head;
    if (head->is_too_large) {
        spend_excess(call->connection, bytes);
        return false;
    }
    if (bytes > MUSTER_GRPC_HEADER_BYTES_MAX - head->header_bytes) {
        head->is_too_large = true;
        connection_spend(call->connection, NUISANCE_HEADERS);
        return false;
    }
    head->header_bytes += (uint32_t)bytes;
    return true;
}

bool request_add_header(struct grpc_call *call, nghttp2_rcbuf *name_of, nghttp2_rcbuf *value_of) {
    const nghttp2_vec name = nghttp2_rcbuf_get_buf(name_of), value = nghttp2_rcbuf_get_buf(value_of);
    if (!is_within_limit(call, field_bytes(name_of, value_of))) {
        request_drop_headers(call);
        return true;
    }
    if (call->head.is_room_short) return true;
    if (!count_headers(call)) {
        call->head.is_room_short = true;
        request_drop_headers(call);
        return true;
    }
    if (name.len > 0 && name.base[0] == ':') {
        add_pseudo(call, text_of_vec(name), value_of, text_of_vec(value));
        return true;
    }
    if (add_known(call, text_of_vec(name), text_of_vec(value))) return true;
    return header_list_add(&call->headers, name_of, value_of);
}

void request_skip_trailer(struct grpc_call *call, nghttp2_rcbuf *name, nghttp2_rcbuf *value) {
    (void)is_within_limit(call, field_bytes(name, value));
}

/* ---- all of them ---- */

static void refuse_path(struct grpc_call *call) {
    char message[256];
    const struct text path =
        call->head.path != NULL ? text_of_vec(nghttp2_rcbuf_get_buf(call->head.path)) : (struct text){0};
    const char *what = call->service == NULL ? "unknown service" : "unknown method";
    int len = snprintf(message, sizeof message, "%s: %.*s", what, path.len < 200 ? (int)path.len : 200, path.data);
    grpc_call_finish(call, MUSTER_UNIMPLEMENTED, (struct text){message, (uint32_t)len});
}

static void await_plain(struct grpc_call *call) {
    call->is_plain = call->is_finished = true;
    call_await_request(call);
}

/* Who has few calls is not refused because others have many. */
static bool is_call_too_many(const struct connection *connection) {
    return connection->seat->call_count > connection->seat->calls_max &&
           connection->call_count > MUSTER_GRPC_CALLS_SPARED;
}

/* Whether the call was refused, or answered as what it is. */
static bool refuse_request(struct grpc_call *call) {
    const struct request_head *head = &call->head;
    if (head->is_too_large)
        call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "the headers of the request are larger than the limit");
    else if (head->is_room_short) call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for headers is short");
    else if (!head->is_post || !head->is_grpc) await_plain(call);
    else if (call->method == NULL) refuse_path(call);
    else if (is_call_too_many(call->connection))
        call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "as many calls are open as may be");
    else if (head->coding == CODING_UNKNOWN)
        call_fail(call, MUSTER_UNIMPLEMENTED, "grpc-encoding is not supported; grpc-accept-encoding says what is");
    else if (head->has_bad_timeout) call_fail(call, MUSTER_INTERNAL, "grpc-timeout is malformed");
    else return false;
    return true;
}

static void set_deadline(struct grpc_call *call) {
    struct grpc_seat *seat = call->connection->seat;
    if (call->head.timeout_us == UINT64_MAX) return;
    uint64_t timeout_ms = call->head.timeout_us / 1000 + (call->head.timeout_us % 1000 != 0);
    call->deadline_ms = grpc_call_now(call).now_ms + timeout_ms;
    call->is_young = true;
    LIST_INSERT_HEAD(&seat->young, call, young_link);
}

void request_answer_plain(struct grpc_call *call) {
    if (call->is_answered) return;
    if (!call->head.is_post) response_plain(call, "405", "This is a gRPC server: calls are POST.\n");
    else response_plain(call, "415", "This is a gRPC server: content-type is application/grpc.\n");
}

void request_open(struct grpc_call *call) {
    stream_asked(call->connection->stream);
    if (!refuse_request(call)) {
        set_deadline(call);
        call->is_opened = true;
        if (call->method->is_request_one) call_await_request(call);
        if (call->method->opened != NULL) call->method->opened(call->service->service, call);
    }
    if (call->head.path != NULL) nghttp2_rcbuf_decref(call->head.path);
    call->head.path = NULL;
    if (!call->method || !call->method->is_request_one) request_drop_headers(call);
}
