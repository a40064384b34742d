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
};

/* The state of reading a connection, between two pieces of input. Initially zero except for is_ipc. */
struct reading {
    bool is_ipc;
    uint64_t elements_left; /* Redis: of the array that is being read */
    uint32_t commands_left; /* Redis: answers of the pipeline that are still to come */
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
    bool is_ordered;                     /* answers arrive in the order of the requests */
    const uint8_t *hello, *hello_answer; /* each side's handshake, hello_bytes long; 0: there is none */
    size_t hello_bytes;
    /* Writes one request, at most work_request_bytes_max(work). Returns its length. */
    size_t (*write_request)(const struct work *work, struct user_choice *choice, const struct request *request,
                            uint8_t *out);
    /* Reads at most to the end of one answer. Returns how many bytes were used; 0: more input is needed. */
    size_t (*read_answer)(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                          struct answer *out);
};

/* protocol_echo sends Muster's requests to a server that sends back every message as it is. */
extern const struct protocol protocol_muster, protocol_redis, protocol_echo;

/* Finds a protocol by name: muster, redis or echo. NULL: there is none. */
const struct protocol *protocol_named(const char *name);

#endif
