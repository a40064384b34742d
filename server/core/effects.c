#include "roll_internal.h"

static uint32_t names_put(struct effects *effects, struct text name) {
    uint32_t at = (uint32_t)effects->names_used;
    if (name.len > 0) memcpy(effects->names + at, name.data, name.len);
    effects->names_used += name.len;
    return at;
}

void effect_note(const struct roll *roll, struct effects *effects, enum effect_kind kind, enum effect_reason reason,
                 uint32_t scope_ref, uint32_t user_ref) {
    if (effects == NULL) return;
    const struct scope *in = scope_at(roll, scope_ref);
    struct text scope = scope_name(in), user = {0};
    if (user_ref != MEMBER_NONE) user = member_user(member_at(roll, user_ref));
    /* Most calls are of one scope. */
    const struct effect *last = effects->count == 0 ? NULL : &effects->items[effects->count - 1];
    bool is_same_scope = last != NULL && text_equal(effect_scope(effects, last), scope);
    size_t bytes = user.len + (is_same_scope ? 0 : scope.len);
    if (effects->count == effects->capacity || bytes > effects->names_capacity - effects->names_used) {
        effects->dropped++;
        return;
    }
    uint32_t scope_at = is_same_scope ? last->scope_at : names_put(effects, scope);
    effects->items[effects->count++] = (struct effect){.kind = (uint8_t)kind,
                                                       .reason = (uint8_t)reason,
                                                       .scope_len = (uint8_t)scope.len,
                                                       .user_len = (uint8_t)user.len,
                                                       .scope_at = scope_at,
                                                       .user_at = names_put(effects, user)};
}
