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
 * What a leave makes void was in the change log, and other nodes may count on hearing of it: its slot then tells of the
 * leave instead. Without that a node that has heard neither would take both to be known. */
#include "batch.h"

#include <stddef.h>

struct text register_session(enum register_kind kind) {
    static const char names[REGISTER_KINDS][2] = {{0, 0}, {0, REGISTER_LEAVE}, {0, REGISTER_STATUS}};
    assert(kind < REGISTER_KINDS);
    return (struct text){names[kind], kind == REGISTER_SESSION ? 0 : sizeof names[kind]};
}

enum register_kind member_kind(const struct member *m) {
    return m->is_register ? (enum register_kind)member_session(m).data[1] : REGISTER_SESSION;
}

uint64_t user_leave_stamp(const struct roll *roll, uint32_t first) {
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (m->is_register && member_kind(m) == REGISTER_LEAVE) return m->stamp;
    }
    return 0;
}

/* The slot in the log of a member that a leave makes void tells of the leave. */
static void log_leave_instead(struct roll *roll, const struct member *m, uint32_t leave) {
    if (m->origin != ORIGIN_SELF || roll->sequence - m->sequence >= roll->config.log_slots) return;
    *log_slot(roll, m->sequence) = leave | LOG_FOREIGN;
}

void user_apply_leave(struct roll *roll, uint32_t leave, uint64_t now_ms, struct effects *effects) {
    const struct member *written = member_at(roll, leave);
    uint32_t scope_ref = written->scope, first = user_first(roll, leave);
    struct user_sum before = user_sum(roll, first);
    for (uint32_t ref = first, next; ref != MEMBER_NONE; ref = next) {
        struct member *m = member_at(roll, ref);
        next = m->next_session;
        if (m->is_register || m->stamp == 0 || m->stamp >= written->stamp) continue;
        if (m->is_live) {
            roll->live_members--;
            timers_drop_lease(&roll->timers, ref);
        } else {
            tombstone_remove(roll, ref);
        }
        log_leave_instead(roll, m, leave);
        member_unlink(roll, ref);
    }
    first = user_first(roll, leave);
    struct user_sum after = user_sum(roll, first);
    user_account(roll, scope_ref, first, &before, &after, false, REASON_LEFT, now_ms, effects);
}
