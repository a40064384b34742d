/* Requests on the wire, prepared once and changed in place. Pure but for memory, which ends the program where it is
 * short. */
#ifndef MUSTER_CLI_BENCH_REQUEST_H
#define MUSTER_CLI_BENCH_REQUEST_H

#include "bench.h"

/* nng's framing: the length of what follows (64 bits, big-endian), over ipc:// behind a byte 1; then the id of the
 * request (32 bits, highest bit set), then the message. */
enum { WIRE_LENGTH_BYTES = 8, WIRE_ID_BYTES = 4, WIRE_HEADER_BYTES_MAX = 1 + WIRE_LENGTH_BYTES + WIRE_ID_BYTES };

struct bench_request {
    uint8_t *bytes; /* a whole frame */
    size_t len;
    uint32_t *digits; /* where in `bytes` the 12 digits of each named user begin */
    uint32_t count;   /* of named users */
};

/* Prepares the request of a plan's call, the first page where it is a list. is_ipc: which framing. id: below 2^31. */
void bench_request_make(struct bench_request *request, const struct bench_plan *plan, bool is_ipc, uint32_t id);
void bench_request_free(struct bench_request *request);

/* Names another user at place i of `count`. number: below BENCH_USERS_MAX. */
void bench_request_name(struct bench_request *request, uint32_t i, uint64_t number);

/* Turns a list's request into that of the next page. token: len bytes; 0: the first page. */
void bench_request_turn(struct bench_request *request, const struct bench_plan *plan, bool is_ipc, uint32_t id,
                        const uint8_t *token, size_t len);

/* What an answer says. */
struct bench_answer {
    uint32_t code;        /* 0: done */
    uint64_t items;       /* of a list: users on the page */
    const uint8_t *token; /* of a list: for the next page; in the message */
    size_t token_len;
};

/* Looks at an answer (the message without length and id) as far as the call needs. false: it is none. */
bool bench_answer_read(enum bench_call call, const uint8_t *message, size_t len, struct bench_answer *out);

/* The message of an answer whose code is not 0, for people, into `out`. */
void bench_answer_error(const uint8_t *message, size_t len, char *out, size_t out_len);

#endif
