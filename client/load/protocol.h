/* The protocol of a server, for the load generator: how a request is written and how an answer is read.
 *
 * Requests are formatted straight into the output buffer. Answers are read in full, element by element, but nothing of
 * them is kept, so that the client costs little, and as much for one protocol as for another. Pure; no function
 * allocates. */
#ifndef MUSTER_LOAD_PROTOCOL_H
#define MUSTER_LOAD_PROTOCOL_H

#include "common/error.h"
#include "work.h"

enum {
    PAGE_TOKEN_BYTES_MAX = 256,
    CONTROL_BYTES_MAX = 512,
    ANSWER_BYTES_MAX = 2 << 20, /* the longest piece of an answer that must be contiguous in memory */
};

/* Where the next page of a list begins. len 0: the first page. */
struct page_token {
    uint32_t len;
    uint8_t bytes[PAGE_TOKEN_BYTES_MAX];
};

struct request {
    uint32_t slot;                 /* of the connection; below 2^31. answers name it unless the protocol is ordered */
    bool is_ipc;                   /* the framing of ipc:// instead of tcp:// */
    const struct page_token *page; /* of a list; NULL: the first page */
    struct reading *reading;       /* of the connection */
};

/* gRPC: what both directions of a connection of HTTP/2 need. */
struct http2 {
    uint32_t *streams;    /* the stream of each slot, by H2_HAS_MESSAGE once its answer has come; in_flight of them */
    uint32_t slots;       /* how many */
    uint32_t last_stream; /* of the latest request */
    int64_t send_window;  /* bytes of requests that the server takes now, beside those of a new connection */
    uint32_t unreturned;  /* bytes of answers that the server has not been told to be read */
    uint32_t settings_unanswered, pings_unanswered;
    uint8_t ping[8]; /* the latest */
};

/* The state of a connection, between two pieces of input. Initially zero except for is_ipc and http2.streams. */
struct reading {
    bool is_ipc;
    uint64_t elements_left; /* Redis: of the array that is being read */
    uint32_t commands_left; /* Redis: answers of the pipeline that are still to come */
    struct http2 http2;
};

enum answer_fault {
    FAULT_NONE,
    FAULT_REFUSED,  /* the server answered with an error */
    FAULT_MALFORMED /* not an answer of this protocol */
};

/* The result of read_answer. The caller clears all fields but page_token and `why` before each call: they are large and
 * mostly unused. */
struct answer {
    bool is_done;              /* the answer to one request is complete */
    uint32_t slot;             /* of the request; unless the protocol is ordered */
    uint64_t hits;             /* users live, listed or counted; members added */
    const uint8_t *page_token; /* of the next page; points into the input */
    uint32_t page_token_len;   /* 0: there is no next page; at most PAGE_TOKEN_BYTES_MAX */
    enum answer_fault fault;
    struct error why; /* of a fault; the code is from the reply if Muster refused */
};

struct protocol {
    const char *name;
    bool is_ordered; /* answers arrive in the order of the requests */
    /* Each side's handshake, hello_bytes long; 0: there is none. hello_answer NULL: the server's is no fixed text, and
     * is left to read_answer. */
    const uint8_t *hello, *hello_answer;
    size_t hello_bytes;
    bool has_streams; /* reading.http2 is used */
    /* Whether the server takes another request now; if not, some answer will say when. NULL: always. */
    bool (*has_room)(const struct work *work, const struct reading *reading);
    /* Writes what a connection has to say besides requests, at most CONTROL_BYTES_MAX; how much. NULL: nothing. */
    size_t (*write_control)(struct reading *reading, uint8_t *out);
    /* Writes one request, at most work_request_bytes_max(work). Returns its length. */
    size_t (*write_request)(const struct work *work, struct user_choice *choice, const struct request *request,
                            uint8_t *out);
    /* Reads at most to the end of one answer. Returns how many bytes were used; 0: more input is needed. */
    size_t (*read_answer)(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                          struct answer *out);
};

/* protocol_echo sends Muster's requests to a server that sends back every message as it is. */
extern const struct protocol protocol_muster, protocol_redis, protocol_grpc, protocol_echo;

/* Finds a protocol by name: muster, redis, grpc or echo. NULL: there is none. */
const struct protocol *protocol_named(const char *name);

#endif
