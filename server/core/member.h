/* A member's record: one cache line, with ids inline where they are short. */
#ifndef MUSTER_CORE_MEMBER_H
#define MUSTER_CORE_MEMBER_H

#include "allocator.h"
#include "cache_fetch.h"
#include "common/text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum { MEMBER_INLINE_BYTES = 18, MEMBER_NONE = 0 };

/* The ids of a member that do not fit its record, and its state: user, session, state, one behind the other. */
struct extra {
    uint16_t state_len, state_capacity;
    char bytes[];
};

struct member {
    uint64_t stamp; /* 0: made by the call that is under way, and not committed yet */
    union {
        struct {
            uint64_t seen_ms : 48;
            uint64_t status : 2;
            uint64_t is_live : 1;     /* counted as live: the end of its lease has not been handled */
            uint64_t has_extra : 1;   /* `id` holds a struct extra * */
            uint64_t will_live : 1;   /* the call that is being planned makes it live */
            uint64_t is_used : 1;     /* not in the free list */
            uint64_t is_first : 1;    /* of its user's sessions: the one that the index holds */
            uint64_t is_register : 1; /* of the user, not of a session: see user_register.c */
            uint64_t epoch : 8;       /* the scope's when the member was counted: a reset begins another one */
        };
        uint64_t seen_and_flags; /* all of these, to be compared at once */
    };
    uint64_t sequence : 48;
    uint64_t origin : 16; /* in roll.origins; ORIGIN_SELF: this node */
    uint32_t ttl_ms;
    uint32_t scope;
    uint32_t next_session; /* of the same user; the free list's link in an unused record */
    uint32_t timer_prev, timer_next;
    uint8_t user_len, session_len;
    char id[MEMBER_INLINE_BYTES];
};
_Static_assert(sizeof(struct member) == 64, "a member fills one cache line");

enum { ORIGIN_SELF = 0 };

static inline struct extra *member_extra(const struct member *m) {
    struct extra *extra = NULL;
    if (m->has_extra) memcpy(&extra, m->id, sizeof extra);
    return extra;
}

/* Fetches what member_user and member_session will read besides the record: mostly two cache lines. */
static inline void member_fetch_extra(const struct member *m) {
    if (!m->has_extra) return;
    const struct extra *extra = member_extra(m);
    cache_fetch(extra);
    cache_fetch(extra->bytes + m->user_len + m->session_len);
}

static inline void member_set_extra(struct member *m, struct extra *extra) {
    memcpy(m->id, &extra, sizeof extra);
    m->has_extra = 1;
}

static inline struct text member_user(const struct member *m) {
    return (struct text){m->has_extra ? member_extra(m)->bytes : m->id, m->user_len};
}

static inline struct text member_session(const struct member *m) {
    return (struct text){member_user(m).data + m->user_len, m->session_len};
}

static inline struct text member_state(const struct member *m) {
    if (!m->has_extra) return (struct text){NULL, 0};
    const struct extra *extra = member_extra(m);
    return (struct text){extra->bytes + m->user_len + m->session_len, extra->state_len};
}

static inline size_t extra_bytes(const struct member *m, uint32_t state_capacity) {
    return sizeof(struct extra) + m->user_len + m->session_len + state_capacity;
}

/* What a member takes besides its record. */
static inline size_t member_extra_bytes(const struct member *m) {
    return m->has_extra ? extra_bytes(m, member_extra(m)->state_capacity) : 0;
}

/* The last instant at which the lease holds (the boundary is inclusive). */
static inline uint64_t member_lease_end_ms(const struct member *m) {
    return m->seen_ms + m->ttl_ms;
}

/* A TTL of 0 is no lease at all. */
static inline bool member_lease_holds(const struct member *m, uint64_t now_ms) {
    return m->ttl_ms > 0 && now_ms <= member_lease_end_ms(m);
}

#endif
