/* Calls from other threads. */
#include "grpc_door_internal.h"

#include <stdlib.h>

/* What other threads see of a connection. Its handles have it, too, since they outlive it. */
struct tally {
    atomic_uint references;
    atomic_size_t unsent; /* of all calls */
    atomic_size_t posted; /* the same, on its way to the loop */
};

struct grpc_handle {
    struct post short_post; /* the first member: a status on its way to the loop while memory for a parcel is short */
    atomic_bool is_short_posted;
    enum muster_code short_code;
    atomic_uint references;
    atomic_bool is_over;
    atomic_size_t unsent; /* of the call */
    atomic_size_t posted; /* on its way to the loop */
    struct tally *tally;
    struct loop *loop;
    struct stream *stream;  /* for the accounting of bytes; its slot outlives the call */
    struct grpc_call *call; /* on the loop's thread alone; NULL: it is over */
};

/* A message, or a status, on its way to the loop. */
struct parcel {
    struct post post;
    struct grpc_handle *handle;
    bool is_status;
    enum muster_code code;
    uint32_t len, counted;
    char bytes[];
};

void tally_release(struct tally *tally) {
    if (tally != NULL && atomic_fetch_sub(&tally->references, 1) == 1) free(tally);
}

/* One more reference to that of the connection, which is made for its first handle. */
static struct tally *tally_keep(struct connection *connection) {
    if (connection->tally == NULL) {
        if ((connection->tally = calloc(1, sizeof *connection->tally)) == NULL) return NULL;
        atomic_store(&connection->tally->references, 1);
        atomic_store(&connection->tally->unsent, connection->unsent);
    }
    atomic_fetch_add(&connection->tally->references, 1);
    return connection->tally;
}

struct grpc_handle *grpc_call_handle(struct grpc_call *call) {
    if (call->handle != NULL) {
        grpc_handle_keep(call->handle);
        return call->handle;
    }
    struct grpc_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) return NULL;
    if ((handle->tally = tally_keep(call->connection)) == NULL) {
        free(handle);
        return NULL;
    }
    atomic_store(&handle->references, 2); /* the call has one */
    handle->stream = call->connection->stream;
    handle->loop = loops_at(call->connection->seat->door->loops, call->connection->seat->loop);
    handle->call = call;
    atomic_store(&handle->is_over, call->is_finished);
    atomic_store(&handle->unsent, outbox_len(&call->out));
    call->handle = handle;
    return handle;
}

void grpc_handle_keep(struct grpc_handle *handle) {
    atomic_fetch_add(&handle->references, 1);
}

void grpc_handle_release(struct grpc_handle *handle) {
    if (atomic_fetch_sub(&handle->references, 1) > 1) return;
    tally_release(handle->tally);
    free(handle);
}

void handle_detach(struct grpc_handle *handle) {
    handle->call = NULL;
    atomic_store(&handle->is_over, true);
    grpc_handle_release(handle);
}

void handle_count(const struct grpc_call *call) {
    const struct connection *connection = call->connection;
    if (call->handle != NULL) atomic_store(&call->handle->unsent, outbox_len(&call->out));
    if (connection->tally != NULL) atomic_store(&connection->tally->unsent, connection->unsent);
}

/* ---- parcels ---- */

static void run_parcel(struct post *post, struct loop *loop) {
    struct parcel *parcel = (struct parcel *)post;
    struct grpc_handle *handle = parcel->handle;
    const struct text bytes = {parcel->bytes, parcel->len};
    (void)loop;
    atomic_fetch_sub(&handle->posted, parcel->is_status ? 0 : parcel->len);
    atomic_fetch_sub(&handle->tally->posted, parcel->is_status ? 0 : parcel->len);
    stream_give_bytes(handle->stream, parcel->counted);
    if (handle->call == NULL) {
        /* it is over */
    } else if (parcel->is_status) {
        grpc_call_finish(handle->call, parcel->code, bytes);
    } else {
        grpc_call_send(handle->call, bytes);
    }
    grpc_handle_release(handle);
    free(parcel);
}

/* False: memory is short. */
static bool post_parcel(struct grpc_handle *handle, bool is_status, enum muster_code code, struct text bytes) {
    size_t counted = is_status ? 0 : sizeof(struct parcel) + bytes.len;
    if (!stream_take_bytes(handle->stream, counted)) return false;
    struct parcel *parcel = malloc(sizeof *parcel + bytes.len);
    if (parcel == NULL) {
        stream_give_bytes(handle->stream, counted);
        return false;
    }
    *parcel = (struct parcel){{.run = run_parcel}, handle, is_status, code, bytes.len, (uint32_t)counted};
    if (bytes.len > 0) memcpy(parcel->bytes, bytes.data, bytes.len);
    atomic_fetch_add(&handle->posted, is_status ? 0 : bytes.len);
    atomic_fetch_add(&handle->tally->posted, is_status ? 0 : bytes.len);
    grpc_handle_keep(handle);
    loop_post(handle->loop, &parcel->post);
    return true;
}

static void run_short_post(struct post *post, struct loop *loop) {
    struct grpc_handle *handle = (struct grpc_handle *)post;
    (void)loop;
    if (handle->call != NULL) grpc_call_finish(handle->call, handle->short_code, (struct text){0});
    grpc_handle_release(handle);
}

/* A status without a sentence needs no memory: a call that nobody finishes would stay open for ever. */
static void post_code(struct grpc_handle *handle, enum muster_code code) {
    if (atomic_exchange(&handle->is_short_posted, true)) return;
    handle->short_code = code;
    handle->short_post.run = run_short_post;
    grpc_handle_keep(handle);
    loop_post(handle->loop, &handle->short_post);
}

void grpc_handle_send(struct grpc_handle *handle, struct text body) {
    static const char short_memory[] = "memory for answers is short";
    if (atomic_load(&handle->is_over)) return;
    if (loop_is_current(handle->loop)) {
        if (handle->call != NULL) grpc_call_send(handle->call, body);
    } else if (!post_parcel(handle, false, MUSTER_OK, body)) {
        grpc_handle_finish(handle, MUSTER_RESOURCE_EXHAUSTED, text_of(short_memory));
    }
}

void grpc_handle_finish(struct grpc_handle *handle, enum muster_code code, struct text message) {
    if (atomic_load(&handle->is_over)) return;
    if (loop_is_current(handle->loop)) {
        if (handle->call != NULL) grpc_call_finish(handle->call, code, message);
    } else if (!post_parcel(handle, true, code, message)) {
        post_code(handle, code);
    }
}

size_t grpc_handle_unsent(const struct grpc_handle *handle) {
    return atomic_load(&handle->unsent) + atomic_load(&handle->posted);
}

size_t grpc_handle_unsent_of_all(const struct grpc_handle *handle) {
    const struct tally *tally = handle->tally;
    return atomic_load(&tally->unsent) + atomic_load(&tally->posted) + stream_unsent(handle->stream);
}

bool grpc_handle_is_over(const struct grpc_handle *handle) {
    return atomic_load(&handle->is_over);
}
