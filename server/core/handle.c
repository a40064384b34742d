/* Handles: members named by hashes. */
#include "scope_users.h"

uint64_t roll_session_hash(const struct roll *roll, struct text session) {
    return session.len == 0 ? 0 : (hash_of_name(roll, session.data, session.len) & UINT32_MAX) | 1;
}

bool roll_find_handle(const struct roll *roll, struct text scope_name, uint64_t user_hash_asked, uint64_t session_hash,
                      struct change *out) {
    uint32_t scope_ref = scope_find(roll, scope_name);
    if (scope_ref == SCOPE_NONE) return false;
    const struct scope *scope = scope_at(roll, scope_ref);
    const struct index_slot *slot = scope_users_find(scope, user_hash_asked);
    for (; slot != NULL; slot = scope_users_next(scope, slot)) {
        if (user_hash(roll, slot->ref) != user_hash_asked) continue;
        for (uint32_t ref = slot->ref; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            const struct member *m = member_at(roll, ref);
            if (member_is_void(scope, m) || member_is_void_by_leave(roll, ref) ||
                roll_session_hash(roll, member_session(m)) != session_hash)
                continue;
            change_of_register(roll, ref, out);
            return true;
        }
    }
    return false;
}
