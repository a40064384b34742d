/* The requests to send, independent of the protocol, and the users that they name. Pure. */
#ifndef MUSTER_LOAD_WORK_H
#define MUSTER_LOAD_WORK_H

#include "muster/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum work_kind {
    WORK_TOUCH,
    WORK_LIVE,
    WORK_LIST,   /* one page per request */
    WORK_COUNTS, /* of one scope */
    WORK_PING,   /* Live of one user, always the same */
    WORK_ECHO,   /* ECHO_BYTES without meaning */
};

enum {
    USER_BYTES = 17, /* "user:" and 12 digits */
    ECHO_BYTES = 36, /* a message of 40 bytes with the request's id */
};
#define USERS_MAX UINT64_C(1000000000000)

struct work {
    enum work_kind kind;
    const char *scope, *token; /* NULL: the default scope, no token. Redis has neither */
    uint32_t batch;            /* beats of a Touch, users of a Live, users of a page of a List; 1..MUSTER_BEATS_MAX */
    uint64_t first, users;     /* users are numbered first..first + users - 1, all below USERS_MAX */
    bool is_sequential;        /* users in order; else at random */
    uint32_t ttl_ms;           /* of a Touch */
    uint64_t windows_ms[MUSTER_WINDOWS_MAX];
    uint32_t window_count;
};

/* The state of the choice of users. random: any seed. next: index of the next user of sequential work. */
struct user_choice {
    uint64_t random, next;
};

/* The number of users that one request names. */
uint32_t work_users_each(const struct work *work);

/* The number of the next user, first..first + users - 1. */
uint64_t work_next_number(const struct work *work, struct user_choice *choice);

/* Writes the name of a user: USER_BYTES, not terminated. */
void work_name_user(uint64_t number, uint8_t *out);

static inline void work_next_user(const struct work *work, struct user_choice *choice, uint8_t *out) {
    work_name_user(work_next_number(work, choice), out);
}

/* The length of the longest request, in any protocol. */
size_t work_request_bytes_max(const struct work *work);

#endif
