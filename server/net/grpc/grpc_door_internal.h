/* What the files of the gRPC door share. Internal to server/net/grpc.
 *
 * A connection is one nghttp2 session. It is fed by protocol.take, and emptied once a turn by protocol.step: what the
 * calls of a turn answer leaves in one piece. All of it runs on the thread of the connection's loop. */
#ifndef MUSTER_NET_GRPC_DOOR_INTERNAL_H
#define MUSTER_NET_GRPC_DOOR_INTERNAL_H

#include "budget.h"
#include "coding.h"
#include "frame_walk.h"
#include "grpc_door.h"
#include "message.h"
#include "net/loop.h"
#include "session_memory.h"

#include <nghttp2/nghttp2.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum {
    CALL_HEADERS_INLINE = 8, /* more of them are kept elsewhere */
    CALL_FIELDS_MAX = 16,    /* that a service adds to a response, and as many to its trailers */
    STREAM_WINDOW_BYTES = 256 * 1024,
    CONNECTION_WINDOW_BYTES = 1024 * 1024,
    OWN_RESETS_KEPT = 512,      /* a power of two, and more streams than may be open */
    RESPONSE_TABLE_BYTES = 512, /* of HPACK: holds the fields that nearly every response has */
};

/* ---- headers of a request: header_list.c ---- */

/* Name and value are nghttp2's own, counted: those that HPACK has indexed are shared. */
struct header_field {
    nghttp2_rcbuf *name, *value;
};
struct header_list {
    struct header_field *items; /* NULL: they are in `few` */
    uint16_t count, capacity;
    struct header_field few[CALL_HEADERS_INLINE];
};

bool header_list_add(struct header_list *list, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
struct text header_list_find(const struct header_list *list, struct text name, size_t i);
void header_list_free(struct header_list *list);

/* ---- bytes that wait to be sent: outbox.c ---- */

struct outbox {
    uint8_t *bytes;
    uint32_t at, len, capacity;
};

static inline size_t outbox_len(const struct outbox *box) {
    return box->len - box->at;
}
/* Room for so many bytes more, which the caller writes; NULL: memory is short. */
uint8_t *outbox_add(struct outbox *box, size_t len);
/* Moves at most `size` bytes out, and gives back memory that is not needed for the rest: what a box owns is at most
 * four times what is in it, and 256 bytes. */
size_t outbox_take(struct outbox *box, uint8_t *out, size_t size);
void outbox_free(struct outbox *box);

/* ---- places in the lists of those that are waited for: waits.c ---- */

enum wait_list {
    WAIT_NONE,
    WAIT_REQUEST, /* a call: its request, or a message, has begun */
    WAIT_FRAME,   /* a connection: a frame has begun */
    WAIT_FULL,    /* a connection: so much of its answers waits for its windows that its calls wait, too */
    WAIT_UNREAD,  /* a connection: some of its answers wait for its windows */
    WAIT_QUIET,   /* a connection: something came of late */
    WAIT_SILENT,  /* a connection: nothing came */
    WAIT_PONG,    /* a connection: nothing came, and it was pinged */
    WAIT_LISTS
};

#define WAIT_OWNER(wait, type, member) ((type *)(void *)((char *)(wait)-offsetof(type, member)))

struct wait {
    uint64_t since_ms; /* as grpc_seat.waited_ms */
    uint8_t list;      /* enum wait_list */
    TAILQ_ENTRY(wait) link;
};
TAILQ_HEAD(wait_queue, wait);

/* ---- a call ---- */

/* What the headers of a request say; decided when they are complete. */
struct request_head {
    nghttp2_rcbuf *path;
    uint32_t header_bytes;    /* as HTTP/2 counts them: with 32 a field */
    uint32_t headers_counted; /* of them, those that are counted as the connection's */
    bool is_post, is_head, is_grpc, is_too_large, is_room_short, has_bad_timeout;
    bool takes_gzip;
    enum coding coding;
    uint64_t timeout_us; /* UINT64_MAX: none */
};

struct grpc_call {
    struct connection *connection;
    const struct grpc_service *service;
    const struct grpc_method *method; /* NULL: there is none; the call is refused */
    void *data;
    struct grpc_handle *handle; /* NULL: nobody asked for one */
    uint64_t id;
    uint64_t deadline_ms; /* UINT64_MAX: none */
    size_t heap_at;       /* in the seat's deadlines, from 1; 0: it is not there */
    int32_t stream_id;
    struct request_head head;
    struct header_list headers;

    struct message_reader reader;
    uint32_t reader_counted; /* bytes of the reader that are counted against the loops */
    uint8_t *kept;           /* the request, or a decompressed message; NULL: it is elsewhere */
    uint32_t kept_len;
    struct text request;    /* of a method with one, once it has come */
    uint64_t borrowed_turn; /* of the seat; 0: never */

    struct outbox held;     /* of its messages, what waits with it */
    uint64_t held_ms;       /* when it began to wait, until it has gone on; 0: it does not wait */
    uint64_t held_stale_ms; /* for how long the process had stood still before, if what is held came in meanwhile */
    struct wait wait;       /* for its request */

    struct outbox out;
    struct outbox fields, trailers; /* added to headers and trailers: name length, value length, name, value */
    uint8_t field_count, trailer_count;
    enum muster_code code;
    struct outbox status_message; /* percent-encoded */

    bool has_request;    /* `request` is set */
    bool is_opened;      /* `opened` was called, and `closed` is due */
    bool is_half_closed; /* the client has finished sending */
    bool is_finished;    /* its status is set; what the service says afterwards is ignored */
    bool is_answered;    /* the headers of its response are submitted */
    bool is_plain;       /* the answer is plain HTTP, without trailers */
    bool is_deferred;    /* nghttp2 waits for more to send */
    bool is_gzip;        /* messages may be compressed: the response's headers say so */
    bool is_drained_due; /* in the seat's list of those whose `drained` is due */
    bool is_young;       /* opened in this turn */
    bool is_held;        /* it waits: its connection is full */
    bool is_end_held;    /* that the client has finished sending waits, too */

    LIST_ENTRY(grpc_call) link;       /* of its connection, or the seat's graveyard */
    LIST_ENTRY(grpc_call) young_link; /* of the seat */
    TAILQ_ENTRY(grpc_call) held_link; /* of the connection */
    SLIST_ENTRY(grpc_call) drained_link;
};
LIST_HEAD(call_list, grpc_call);
SLIST_HEAD(call_stack, grpc_call);
TAILQ_HEAD(call_queue, grpc_call);

/* ---- a connection ---- */

struct connection {
    struct grpc_seat *seat;
    struct stream *stream;
    nghttp2_session *session; /* NULL: nothing has come yet */
    void *streams_page;       /* as session_memory.opened_page */
    struct call_list calls;
    struct grpc_call *loose; /* its request is in the bytes of this turn, and its frame is not over; NULL: none */
    uint32_t call_count;
    int32_t highest_id;     /* of its streams */
    int32_t goaway_last_id; /* that the latest GOAWAY named */
    /* A bit for each of the last streams: this side has reset it, and what it still gets may have been on its way. */
    uint64_t own_resets[OWN_RESETS_KEPT / 64];
    size_t owned;        /* bytes that it keeps of what came: room.c */
    size_t unsent;       /* bytes of messages of all its calls */
    struct tally *tally; /* NULL: no call ever had a handle */
    size_t progress;     /* bytes of them that were sent since read_wait began */
    struct call_queue held;
    struct wait frame_wait, read_wait, silence_wait;
    uint32_t awaited_frame;
    uint64_t heard_ms; /* when something came last */
    struct frame_walk walk;
    struct budget budget;
    size_t excess_bytes;   /* of headers past the limit, that are not spent yet */
    size_t rest;           /* bytes passed to take that are not consumed yet */
    uint64_t mark;         /* of the services */
    uint8_t continuations; /* of the headers that are coming in */
    uint8_t leaves_as;     /* enum stream_end */
    bool is_page_used;     /* streams_page may be more than zero */
    bool is_sparse;        /* something came after a while: the page is given back at once */
    bool is_dirty, is_greeted, is_leaving;
    bool is_draining, is_last_goaway_sent;
    bool is_goodbye_withheld; /* the client knows by another GOAWAY */
    SLIST_ENTRY(connection) dirty_link;
};
SLIST_HEAD(connection_stack, connection);

/* A loop's share of the door. */
struct grpc_seat {
    struct grpc_door *door;
    unsigned loop;
    struct instant now;
    struct coder *coder;
    struct session_memory memory;
    uint64_t next_id, turn;
    size_t call_count, calls_max;
    bool is_draining;
    uint64_t waited_ms; /* a clock that stands still while the loop does */
    struct wait_queue waits[WAIT_LISTS];
    struct connection_stack dirty; /* those with something to say */
    struct call_list young;        /* calls with a deadline, opened in this turn */
    struct call_list graveyard;    /* calls that are over, whose bytes are borrowed until the commit */
    struct call_stack drained;     /* calls that have sent all that they had */
    struct grpc_call **deadlines;  /* a heap, from 1 */
    size_t deadline_count, deadline_capacity;
};

/* Where a path leads. */
struct grpc_route {
    struct text path;
    const struct grpc_service *service;
    const struct grpc_method *method;
};

struct grpc_door {
    struct grpc_door_config config;
    struct grpc_route *routes;
    size_t route_count;
    struct loops *loops;
    struct door *door;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct grpc_seat *seats[LOOPS_MAX];
};

/* ---- connection.c ---- */

extern const struct protocol grpc_protocol;
/* It has something to say: it is flushed at the end of this turn. */
void connection_wake(struct connection *connection);
void connection_flush(struct connection *connection);
/* Its client did what serves nobody, at a cost of points: who has none left is told to go. */
void connection_spend(struct connection *connection, uint32_t points);
/* Tells the client to go because of what it does: ENHANCE_YOUR_CALM. */
void connection_calm(struct connection *connection);
/* Its preface and settings have come. */
void connection_greeted(struct connection *connection);
/* A ping of this side is answered. */
void connection_ponged(struct connection *connection);

/* ---- seat.c ---- */

struct grpc_seat *seat_new(struct grpc_door *door, unsigned loop); /* NULL: memory is short */
void seat_free(struct grpc_seat *seat);                            /* may be NULL */
/* As protocol.step. */
uint64_t seat_step(struct grpc_seat *seat, struct instant now);

/* ---- waits.c ---- */

void seat_count_time(struct grpc_seat *seat, struct instant now);
/* Ends those who are late. When it is to be called again. */
uint64_t seat_end_waits(struct grpc_seat *seat);
/* A request, or a message, has begun. */
void call_await_request(struct grpc_call *call);
bool call_awaits_request(const struct grpc_call *call);
void call_await_nothing(struct grpc_call *call);
/* Bytes have come, and were passed on: a frame may be partial. */
void connection_await_frame(struct connection *connection);
/* Bytes were sent: how much waits may have changed. */
void connection_await_reader(struct connection *connection);
/* Gives back the memory of streams, where none is open. */
void connection_trim(struct connection *connection);
/* Something came. */
void connection_heard(struct connection *connection);
void connection_await_nothing(struct connection *connection);

/* ---- room.c ---- */

/* Whether so many bytes more of what came, or of answers, may be kept; they are counted then. */
bool connection_take_answer(struct connection *connection, size_t bytes);
void connection_give_answer(struct connection *connection, size_t bytes);
bool connection_take_bytes(struct connection *connection, size_t bytes);
void connection_give_bytes(struct connection *connection, size_t bytes);

/* ---- held.c ---- */

/* Whether more of its answers wait than may. */
bool connection_is_full(const struct connection *connection);
/* Calls that wait go on, while it is not full. */
void connection_release(struct connection *connection);
bool call_must_wait(const struct grpc_call *call);
/* Keeps what came; `is_end`: the client has finished sending. */
void call_hold(struct grpc_call *call, const uint8_t *bytes, size_t len, bool is_end);
void call_drop_held(struct grpc_call *call);

/* ---- session.c ---- */

/* A frame begins; all before it was passed to nghttp2. */
void session_judge_frame(struct connection *connection, const struct frame_head *head);

bool session_setup(struct grpc_door *door);
void session_teardown(struct grpc_door *door);
/* False: memory is short. */
bool session_open(struct connection *connection);

/* ---- request.c ---- */

/* A header of the request of a call. False: memory is short. */
bool request_add_header(struct grpc_call *call, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
/* Frees those that are kept. */
void request_drop_headers(struct grpc_call *call);
/* A trailer: means nothing in gRPC, but counts as a header does, since HPACK makes much of a few bytes. */
void request_skip_trailer(struct grpc_call *call, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
/* The headers are complete: opens the call, or refuses it. */
void request_open(struct grpc_call *call);
/* Answers what is no gRPC, once it is complete. */
void request_answer_plain(struct grpc_call *call);

/* ---- call.c ---- */

/* Frees what is kept of its request. */
void call_drop_request(struct grpc_call *call);
struct grpc_call *call_new(struct connection *connection, int32_t stream_id);
/* Bytes of messages have come. */
void call_receive(struct grpc_call *call, const uint8_t *bytes, size_t len);
/* A frame of messages is over, or its bytes are about to go. */
void call_keep_request(struct grpc_call *call);
void call_half_close(struct grpc_call *call);
/* The stream is over. Frees the call, now or after the commit. */
void call_close(struct grpc_call *call);
void call_free(struct grpc_call *call);
/* Its deadline has passed. */
void call_expire(struct grpc_call *call);
/* The client did not complete a message in time. */
void call_expire_request(struct grpc_call *call);
/* As grpc_call_finish, with a sentence that is a literal. */
void call_fail(struct grpc_call *call, enum muster_code code, const char *message);
/* Frees those whose bytes were borrowed. */
void calls_bury(struct grpc_seat *seat);

/* ---- response.c ---- */

/* Submits the headers of a response that has messages. */
void response_begin(struct grpc_call *call);
void response_message(struct grpc_call *call, struct text message);
/* The status is set: sends it after what waits, or at once where nothing was sent. */
void response_end(struct grpc_call *call, struct text message);
/* Answers what is no gRPC. */
void response_plain(struct grpc_call *call, const char *status, const char *body);
/* Forgets what waits. */
void response_drop(struct grpc_call *call);
/* Ends the stream without a status. */
void response_reset(struct grpc_call *call, uint32_t error_code);

/* ---- deadlines.c ---- */

bool deadline_add(struct grpc_seat *seat, struct grpc_call *call);
void deadline_remove(struct grpc_seat *seat, struct grpc_call *call);
/* The call whose deadline is next; NULL: there is none. */
struct grpc_call *deadline_first(const struct grpc_seat *seat);

/* ---- handle.c ---- */

/* The call is over. */
void handle_detach(struct grpc_handle *handle);
/* Other bytes of the call, or of its connection, wait to be sent than before. */
void handle_count(const struct grpc_call *call);
/* The connection is over. `tally` may be NULL. */
void tally_release(struct tally *tally);

#endif
