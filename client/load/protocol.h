/* How the load generator speaks to a kind of server: the same work, put into the bytes of its protocol.
 * Both sides are written by hand and do as little as they can, so that what is measured is the server: requests are
 * formatted into place, and answers are walked in full, every element of them, but nothing is kept. */
#ifndef MUSTER_LOAD_PROTOCOL_H
#define MUSTER_LOAD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum work_kind { WORK_TOUCH, WORK_LIVE, WORK_LIST, WORK_COUNTS };

enum {
    USER_BYTES = 17, /* user:000000000042 */
    WINDOWS_MAX = 16,
    BATCH_MAX = 10000,
    PAGE_SIZE = 10000,
    REQUEST_BYTES_BASE = 2048,  /* a request without its batch, at most */
    REQUEST_BYTES_EACH = 64,    /* an element of a batch, at most */
    ANSWER_BYTES_MAX = 1 << 21, /* the longest piece of an answer that must be seen in one */
    TOKEN_BYTES_MAX = 256,
};

/* What is asked. */
struct work {
    enum work_kind kind;
    uint32_t batch;
    uint64_t first, users; /* users are first..first + users - 1 */
    bool is_sequential;    /* each in turn; else at random */
    uint32_t ttl_ms;
    uint64_t windows_ms[WINDOWS_MAX];
    uint32_t window_count;
    uint64_t random, next; /* state of the choice */
};

/* Where a connection is in what it reads. Zero at its start. */
struct progress {
    uint64_t elements_left;         /* of a Redis answer */
    uint32_t commands_left;         /* answers that are still to come for the request, where it is a pipeline */
    uint8_t token[TOKEN_BYTES_MAX]; /* the next page's */
    uint32_t token_len;
};

/* What a piece of input turned out to be. */
struct answer {
    bool is_done; /* the answer to the request in `slot` is complete */
    bool is_more; /* it was a page, and another must be asked for in the same slot */
    uint32_t slot;
    uint64_t hits;     /* users who are live, listed or counted; members added */
    char problem[200]; /* why it is no good; empty if it is */
};

struct protocol {
    const char *name;
    bool is_ordered;                     /* answers come in the order of the requests; else `slot` says which */
    const uint8_t *hello, *hello_answer; /* sent and expected first */
    size_t hello_bytes;
    /* Writes the next request of `work` (with room for REQUEST_BYTES_BASE + batch * REQUEST_BYTES_EACH) and returns its
     * length. */
    size_t (*request)(struct work *work, struct progress *progress, uint32_t slot, uint8_t *out);
    /* Reads on: returns how many bytes were used; 0 if more must come first. */
    size_t (*answer)(const struct work *work, struct progress *progress, const uint8_t *data, size_t len,
                     struct answer *out);
};

extern const struct protocol protocol_muster, protocol_redis, protocol_echo;

/* The next user of the work, USER_BYTES of it. */
void work_next_user(struct work *work, uint8_t *out);

#endif
