/* Registers of a user as a whole, beside those of its sessions.
 *
 * A user may have two, each a member in the chain of the user's sessions, under a name that no session may have. So it
 * has stamp, sequence, lease and tombstone as a session has, and log, walk, snapshot, eviction and retention work for
 * it without a change. `is_register` in its record keeps it out of all that is about sessions: sums, caps, lists.
 *
 * - REGISTER_LEAVE, of a leave of all sessions. It is what a reset is to a scope: each session that was stamped before
 *   it is void. Such sessions are removed when it is written, live ones and tombstones, and dropped when they come
 *   later: whichever comes first, the outcome is the same. Sessions with the same stamp stay: a call that leaves all
 *   and lets some linger stamps both alike. It is never live, so it is kept as long as any leave, and it is when the
 *   user was last seen.
 * - REGISTER_STATUS, of SetStatus. While its lease holds it decides the status of the user, if a session is live. It
 *   makes nobody live or known, and says nothing of when the user was last seen. A cleared one has a TTL of 0 and is
 *   kept as a leave is, so that an earlier one that comes later does not count.
 *
 * What a leave makes void may be in the change log, and other nodes may count on hearing of it. A slot of the log must
 * then tell of the leave instead: else a node that has heard neither would take both to be known.
 * - A leave of this node has a later slot, as a session that was touched again has.
 * - The slot of a session of this node, found by its sequence, is made to tell of another node's leave.
 * - A session of another node may have a slot that tells of it as it is now (LOG_FOREIGN), which cannot be found. Where
 *   the leave is another node's too, the session stays as a tombstone that ends with the leave, for its slot to find
 *   the leave through it. No walk and no reader tells of it. */
#include "batch.h"

#include <stddef.h>

struct text register_session(enum register_kind kind) {
    static const char names[REGISTER_KINDS][2] = {{0, 0}, {0, REGISTER_LEAVE}, {0, REGISTER_STATUS}};
    assert(kind < REGISTER_KINDS);
    return (struct text){names[kind], kind == REGISTER_SESSION ? 0 : sizeof names[kind]};
}

uint32_t user_leave(const struct roll *roll, uint32_t first) {
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (m->is_register && member_kind(m) == REGISTER_LEAVE) return ref;
    }
    return MEMBER_NONE;
}

uint64_t user_leave_stamp(const struct roll *roll, uint32_t first) {
    uint32_t leave = user_leave(roll, first);
    return leave == MEMBER_NONE ? 0 : member_at(roll, leave)->stamp;
}

bool member_is_void_by_leave(const struct roll *roll, uint32_t ref) {
    const struct member *m = member_at(roll, ref);
    if (m->is_register || (m->is_first && m->next_session == MEMBER_NONE)) return false;
    return m->stamp < user_leave_stamp(roll, user_first(roll, ref));
}

/* The slot in the log of a session of this node tells of the leave that makes it void. */
static void log_leave_instead(struct roll *roll, const struct member *m, uint32_t leave) {
    if (roll->sequence - m->sequence >= roll->config.log_slots) return;
    *log_slot(roll, m->sequence) = leave | LOG_FOREIGN;
}

/* Takes a void session out of all counts and lists. It stays where a slot of the log may lead to it. */
static void session_apply_leave(struct roll *roll, uint32_t ref, uint32_t leave) {
    struct member *m = member_at(roll, ref);
    const struct member *written = member_at(roll, leave);
    if (m->is_live) {
        roll->live_members--;
        timers_drop_lease(&roll->timers, ref);
    } else {
        tombstone_remove(roll, ref);
    }
    bool has_own_slot = m->origin == ORIGIN_SELF && m->sequence > 0, is_own_leave = written->origin == ORIGIN_SELF;
    if (has_own_slot || is_own_leave) {
        if (!is_own_leave) log_leave_instead(roll, m, leave);
        member_unlink(roll, ref);
        return;
    }
    /* Nobody is told of it: it must not hold the place of its origin. No slot of the log has the sequence 0. */
    register_label(roll, m, ORIGIN_SELF, 0);
    m->is_live = 0;
    m->ttl_ms = 0;
    m->seen_ms = written->seen_ms;
    member_slim(roll, m);
    tombstone_add(roll, ref);
}

void user_apply_leave(struct roll *roll, uint32_t leave, uint64_t now_ms, struct effects *effects) {
    const struct member *written = member_at(roll, leave);
    uint32_t scope_ref = written->scope, first = user_first(roll, leave);
    struct user_sum before = user_sum(roll, first);
    for (uint32_t ref = first, next; ref != MEMBER_NONE; ref = next) {
        const struct member *m = member_at(roll, ref);
        next = m->next_session;
        if (m->is_register || m->stamp == 0 || m->stamp >= written->stamp) continue;
        session_apply_leave(roll, ref, leave);
    }
    first = user_first(roll, leave);
    struct user_sum after = user_sum(roll, first);
    user_account(roll, scope_ref, first, &before, &after, false, REASON_LEFT, now_ms, effects);
}

void user_drop_void(struct roll *roll, uint32_t leave) {
    uint64_t stamp = member_at(roll, leave)->stamp;
    for (uint32_t ref = user_first(roll, leave), next; ref != MEMBER_NONE; ref = next) {
        const struct member *m = member_at(roll, ref);
        next = m->next_session;
        /* One that the call under way has planned a beat for is in no list, and is overwritten. */
        if (m->is_register || m->stamp == 0 || m->stamp >= stamp || m->timer_prev == 0) continue;
        tombstone_remove(roll, ref);
        member_unlink(roll, ref);
    }
}
