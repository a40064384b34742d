#include "roll_internal.h"

static bool config_is_valid(const struct roll_config *config) {
    uint32_t slots = config->log_slots;
    return config->retention_ms >= MUSTER_RETENTION_MIN_MS && config->retention_ms <= MUSTER_RETENTION_MAX_MS &&
           config->members_max >= 1 && config->members_max <= MUSTER_MEMBERS_MAX && config->bytes_max >= 64 * 1024 &&
           slots >= 16 && slots <= UINT32_C(1) << 28 && (slots & (slots - 1)) == 0;
}

struct roll *roll_new(const struct roll_config *config) {
    if (!config_is_valid(config)) return NULL;
    const struct allocator *a = &config->allocator;
    struct roll *roll = a->allocate(a->context, sizeof *roll);
    if (roll == NULL) return NULL;
    roll->config = *config;
    roll->allocator = *a;
    roll->slab.chunk_bits = SLAB_BITS;
    roll->scopes.chunk_bits = SLAB_SCOPE_BITS;
    origins_begin(roll, config->origin == 0 ? ORIGIN_ID_LONE : config->origin);
    roll->log = a->allocate(a->context, config->log_slots * sizeof *roll->log);
    if (roll->log == NULL) goto fail_roll;
    return roll;
fail_roll:
    a->release(a->context, roll, sizeof *roll);
    return NULL;
}

void roll_free(struct roll *roll) {
    if (roll == NULL) return;
    struct allocator a = roll->allocator;
    for (uint32_t ref = 1; ref < roll->slab.next_fresh; ref++) {
        struct member *m = member_at(roll, ref);
        if (m->is_used) member_drop_extra(roll, m);
    }
    merge_free(roll);
    scope_free_all(roll);
    slab_clear(&roll->slab, &a);
    a.release(a.context, roll->log, roll->config.log_slots * sizeof *roll->log);
    a.release(a.context, roll, sizeof *roll);
}

void roll_stats(const struct roll *roll, struct roll_stats *out) {
    *out = (struct roll_stats){
        .members = roll->slab.count,
        .members_live = roll->live_members,
        .scopes = roll->directory.count,
        .bytes = roll_bytes(roll),
        .scope_bytes = scopes_bytes(roll),
        .sequence = roll->sequence,
        .evicted = roll->evicted,
        .expired = roll->expired,
        .forgotten = roll->forgotten,
        .displaced = roll->displaced,
        .refused_live = roll->refused_live,
    };
}

uint64_t roll_retention_ms(const struct roll *roll) {
    return roll->config.retention_ms;
}
