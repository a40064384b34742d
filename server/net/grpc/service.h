/* A gRPC service, as a door serves it: methods, and what their handlers may do with a call. All four kinds of call are
 * one: messages come, messages go, and a status ends it
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 *
 * Handlers run on the thread of the loop that has the call's connection, one at a time for each loop, and must not
 * block. The functions below are called on that thread, unless their comment says otherwise. What happens elsewhere
 * reaches a call through a grpc_handle. */
#ifndef MUSTER_NET_GRPC_SERVICE_H
#define MUSTER_NET_GRPC_SERVICE_H

#include "common/text.h"
#include "muster/codes.h"
#include "sys/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc_call;
struct stream;

/* One method. Every function may be NULL but `message`. A call that was finished gets only `closed`. */
struct grpc_method {
    const char *path;  /* "/muster.v1.Presence/Touch" */
    const void *given; /* the service's own: which method it is */
    /* The client sends exactly one message; another number is refused with UNIMPLEMENTED before a handler sees it, and
     * `message` is called once, when the client has finished sending. False: any number, each passed when it is whole.
     */
    bool is_request_one;
    /* The request's headers have come; messages may follow. */
    void (*opened)(void *service, struct grpc_call *call);
    /* A whole message, decompressed; it is valid until the return, or, of one alone, after
     * grpc_call_borrow until the commit. */
    void (*message)(void *service, struct grpc_call *call, struct text message);
    /* The client has finished sending. */
    void (*half_closed)(void *service, struct grpc_call *call);
    /* Every message that was sent has left for the socket: grpc_call_unsent is 0 again. */
    void (*drained)(void *service, struct grpc_call *call);
    /* The call is over, whoever ended it: by its status, its deadline, a reset, or the end of the connection. Called
     * exactly once for each call that was opened; the call is freed afterwards. */
    void (*closed)(void *service, struct grpc_call *call);
};

/* A set of methods with one context. Static tables; they outlive the door. */
struct grpc_service {
    const char *name; /* "muster.v1.Presence": an unknown method of a known service is told apart */
    void *service;    /* the first argument of every function */
    const struct grpc_method *methods;
    size_t method_count;
    /* Called at the end of each turn of a loop that has a door of this service, before output is written; and at least
     * every 250 ms. May be NULL. */
    void (*turn_ends)(void *service, unsigned loop, struct instant now);
    /* Executes what was put off by grpc_call_borrow, on that loop; as protocol.commit. May be NULL. */
    void (*commit)(void *service, unsigned loop);
    /* The node begins to stop, on each loop once: calls that would wait for long are to be finished. What comes before
     * a connection's last GOAWAY is still passed on. May be NULL. */
    void (*draining)(void *service, unsigned loop);
};

/* ---- what a handler knows of its call ---- */

const struct grpc_method *grpc_call_method(const struct grpc_call *call);
struct stream *grpc_call_stream(const struct grpc_call *call);
unsigned grpc_call_loop(const struct grpc_call *call);
struct instant grpc_call_now(const struct grpc_call *call);
/* Unique in the process, never reused, not 0. */
uint64_t grpc_call_id(const struct grpc_call *call);
/* The service's own, NULL at first. */
void **grpc_call_data(struct grpc_call *call);
/* A word that the connection of the call keeps for the services of its door, 0 at first. */
uint64_t *grpc_call_mark(struct grpc_call *call);
/* The value of a request header, by its name in lower case; empty: there is none. The i-th of several, from 0. Valid
 * until `opened` returns for a call with many messages, and until `message` returns for one with one. The value of a
 * name that ends in -bin is base64, as it came: header_text.h decodes it. */
struct text grpc_call_metadata(const struct grpc_call *call, const char *name, size_t i);
/* Reads the clock: whether the process stood still just now. As stream_look. */
void grpc_call_look(const struct grpc_call *call);
/* If what was passed came in before the process stood still: for how long it had. Else 0. */
uint64_t grpc_call_stale_ms(const struct grpc_call *call);

/* For methods with one message: keeps the call, its message and its metadata valid until `commit`. The call may be over
 * by then: what is answered to it is ignored. */
void grpc_call_borrow(struct grpc_call *call);

/* ---- what a handler does with it ---- */

/* Adds to the headers of the response (before the first message), or to its trailers (before it is finished). The name
 * is in lower case; the value is sent as it is. False: there are too many already (16, or
 * MUSTER_GRPC_METADATA_BYTES_MAX). */
bool grpc_call_add_header(struct grpc_call *call, struct text name, struct text value);
bool grpc_call_add_trailer(struct grpc_call *call, struct text name, struct text value);
/* Sends a message; copied. Compressed where that pays and the client takes it. */
void grpc_call_send(struct grpc_call *call, struct text message);
/* Ends the call with a status, after what was sent before. The message is UTF-8; the door encodes it. */
void grpc_call_finish(struct grpc_call *call, enum muster_code code, struct text message);
/* The usual case: one message and OK, or a refusal; costs least. */
void grpc_call_answer(struct grpc_call *call, enum muster_code code, struct text message, struct text body);
/* Bytes of messages of this call that have not left for the socket. */
size_t grpc_call_unsent(const struct grpc_call *call);

/* ---- from other threads ---- */

/* Stands for a call on any thread, also after it is over. Counted: whoever has one releases it once. */
struct grpc_handle;
/* A new reference to the handle of a call; NULL: memory is short. On the loop's thread. */
struct grpc_handle *grpc_call_handle(struct grpc_call *call);
void grpc_handle_keep(struct grpc_handle *handle);    /* one more reference; any thread */
void grpc_handle_release(struct grpc_handle *handle); /* any thread */
/* Sends a message, and ends the call where `is_last`: with `code`, and the message of the status. Copied; any thread.
 * Messages of one thread arrive in order. Ignored where the call is over. */
void grpc_handle_send(struct grpc_handle *handle, struct text body);
void grpc_handle_finish(struct grpc_handle *handle, enum muster_code code, struct text message);
/* Bytes that were sent and have not left for the socket, those on their way to the loop included. Any thread. */
size_t grpc_handle_unsent(const struct grpc_handle *handle);
/* The same of all calls of its connection, and what of them waits for the socket. Any thread. */
size_t grpc_handle_unsent_of_all(const struct grpc_handle *handle);
/* Whether the call is over. Any thread. */
bool grpc_handle_is_over(const struct grpc_handle *handle);

#endif
