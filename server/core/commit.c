#include "batch.h"

/* Writes the beat into the member's register. Whether a watcher of the user would see the difference. */
static bool commit_register(struct batch *batch, const struct planned *planned, const struct beat *beat,
                            const struct writing *writing) {
    struct roll *roll = batch->roll;
    struct member *m = member_at(roll, planned->member);
    if (planned->extra != NULL) {
        member_drop_extra(roll, m);
        member_set_extra(m, planned->extra);
    }
    bool is_changed =
        !beat->is_refresh && m->is_live && (m->status != beat->status || !text_equal(member_state(m), beat->state));
    if (m->has_extra && !beat->is_refresh) {
        struct extra *extra = member_extra(m);
        extra->state_len = writing->lives ? (uint16_t)beat->state.len : 0;
        if (extra->state_len > 0)
            memcpy(extra->bytes + m->user_len + m->session_len, beat->state.data, extra->state_len);
    }
    register_label(roll, m, writing->origin, writing->sequence);
    m->stamp = writing->stamp;
    m->seen_ms = writing->seen_ms;
    m->ttl_ms = beat->ttl_ms;
    if (!beat->is_refresh) m->status = beat->status & 3;
    m->is_live = writing->lives;
    m->will_live = 0;
    return is_changed;
}

/* What is to be told of a member whose lease is only extended: as news what was news in its last slot, unless peers
 * know it by now. (A lone node never flushes: it need not look.) */
static uint32_t log_kind_again(const struct roll *roll, uint64_t old_sequence, uint64_t sequence) {
    if (roll->flushed_sequence == 0) return log_news(roll->generation);
    if (old_sequence <= roll->flushed_sequence || sequence - old_sequence >= roll->config.log_slots) return LOG_REFRESH;
    uint32_t kind = *log_slot(roll, old_sequence) & LOG_KIND;
    return kind == log_news(roll->generation + 1u) ? LOG_REFRESH : kind; /* of the generation before the last */
}

/* Appends a local beat to the log, and notes how soon peers should hear of it. */
static void commit_log(struct batch *batch, uint32_t ref, uint64_t old_sequence, uint64_t old_end_ms, bool is_news) {
    struct roll *roll = batch->roll;
    uint32_t kind = log_news(roll->generation);
    if (is_news) {
        batch->touched->is_news = true;
    } else {
        uint64_t left = old_end_ms > batch->now_ms ? old_end_ms - batch->now_ms : 0;
        if (batch->now_ms + left / 2 < batch->touched->refresh_by_ms)
            batch->touched->refresh_by_ms = batch->now_ms + left / 2;
        kind = log_kind_again(roll, old_sequence, roll->sequence);
    }
    *log_slot(roll, roll->sequence) = ref | kind;
}

/* A refresh whose session is not live. */
static void commit_nothing(struct batch *batch, size_t i, struct beat_outcome *each) {
    batch->touched->unknown++;
    if (each != NULL) each[i].is_unknown = true;
}

void commit_refreshes(struct batch *batch, struct beat_outcome *each) {
    struct roll *roll = batch->roll;
    size_t n = batch->refreshes;
    if (each != NULL) memset(each, 0, n * sizeof *each);
    uint64_t sequence = roll->sequence, now_ms = batch->now_ms, least_end_ms = UINT64_MAX;
    struct scope *scope = NULL;
    struct history *history = NULL;
    uint32_t scope_ref = SCOPE_NONE, moved = 0; /* users of the scope who were taken out of its history */
    for (size_t i = 0; i < n; i++) {
        commit_fetch(batch, i, n);
        uint32_t ref = batch->plan[i].member;
        if (ref == MEMBER_NONE) {
            commit_nothing(batch, i, each);
            continue;
        }
        struct member *m = member_at(roll, ref);
        if (m->scope != scope_ref) {
            if (moved > 0) scope_history_put(scope, now_ms, moved);
            moved = 0;
            scope = scope_at(roll, scope_ref = m->scope);
            history = scope_history(scope);
        }
        if (history != NULL && m->seen_ms != now_ms) {
            history_remove(history, m->seen_ms);
            moved++;
        }
        if (member_lease_end_ms(m) < least_end_ms) least_end_ms = member_lease_end_ms(m);
        sequence++;
        *log_slot(roll, sequence) = ref | log_kind_again(roll, m->sequence, sequence);
        m->stamp = batch->stamp;
        m->sequence = sequence;
        m->seen_ms = now_ms;
    }
    if (moved > 0) scope_history_put(scope, now_ms, moved);
    if (roll->sequence == sequence) return;
    roll->sequence = sequence;
    uint64_t left_ms = least_end_ms - now_ms; /* what is planned as a refresh is live */
    if (now_ms + left_ms / 2 < batch->touched->refresh_by_ms) batch->touched->refresh_by_ms = now_ms + left_ms / 2;
}

/* The user's first member, known without a look-up where the member is alone. */
static uint32_t commit_user(const struct roll *roll, uint32_t ref) {
    const struct member *m = member_at(roll, ref);
    return m->is_first ? ref : user_find(roll, scope_at(roll, m->scope), member_user(m), user_hash(roll, ref));
}

/* The case that nearly all beats are: a user's only session stays live, and no earlier than before it ends. Does what
 * commit_writing does, without summing over sessions. */
static bool commit_plain(struct batch *batch, const struct planned *planned, const struct beat *beat) {
    struct roll *roll = batch->roll;
    struct member *m = member_at(roll, planned->member);
    if (!m->is_live || !m->is_first || m->is_register || m->next_session != MEMBER_NONE || beat->ttl_ms == 0 ||
        m->origin != ORIGIN_SELF || batch->now_ms + beat->ttl_ms < member_lease_end_ms(m))
        return false;
    struct scope *scope = scope_at(roll, m->scope);
    uint64_t seen_ms = m->seen_ms, old_end = member_lease_end_ms(m), old_sequence = m->sequence;
    bool is_news = m->ttl_ms != beat->ttl_ms;
    uint8_t status = m->status;
    if (commit_register(batch, planned, beat,
                        &(struct writing){batch->stamp, ++roll->sequence, batch->now_ms, ORIGIN_SELF, true})) {
        is_news = true;
        effect_note(roll, batch->effects, EFFECT_UPDATED, REASON_NONE, m->scope, planned->member);
    }
    scope_count_status(scope, status, m->status);
    scope_history_move(scope, seen_ms, batch->now_ms);
    commit_log(batch, planned->member, old_sequence, old_end, is_news);
    return true;
}

/* Another origin overwrites what this one had in its log: the slot still tells of the member, as it is now. */
static void commit_mark_foreign(struct roll *roll, const struct member *m) {
    if (m->stamp == 0 || m->origin != ORIGIN_SELF) return;
    if (roll->sequence - m->sequence >= roll->config.log_slots) return;
    uint32_t *slot = log_slot(roll, m->sequence);
    *slot = (*slot & LOG_MEMBER) | LOG_FOREIGN;
}

/* Writes a register, with its timers and its slot in the log; the user's counts are the caller's. Whether a watcher of
 * the user would see the difference. */
static bool commit_member(struct batch *batch, const struct planned *planned, const struct beat *beat,
                          const struct writing *writing) {
    struct roll *roll = batch->roll;
    uint32_t ref = planned->member;
    struct member *m = member_at(roll, ref);
    bool was_live = m->is_live, is_foreign = m->origin != ORIGIN_SELF;
    uint64_t old_end = member_lease_end_ms(m), old_sequence = m->sequence;
    uint32_t old_ttl = m->ttl_ms;
    if (!was_live && m->timer_prev != 0) tombstone_remove(roll, ref);
    if (batch->changes != NULL) commit_mark_foreign(roll, m);
    bool is_changed = commit_register(batch, planned, beat, writing);
    if (was_live && (!m->is_live || member_lease_end_ms(m) < old_end)) timers_drop_lease(&roll->timers, ref);
    if (m->is_live && m->timer_prev == 0) timers_lease(&roll->timers, ref);
    if (!m->is_live) tombstone_add(roll, ref);
    if (!m->is_register) roll->live_members += (uint64_t)m->is_live - was_live;
    else batch->has_leaves |= beat->kind == REGISTER_LEAVE;
    /* Only a live member is refreshed: peers may have dropped the state of a tombstone. */
    if (batch->changes == NULL)
        commit_log(batch, ref, old_sequence, old_end,
                   is_changed || !was_live || !m->is_live || is_foreign || old_ttl != beat->ttl_ms || m->is_register);
    return !m->is_register && (is_changed || m->is_live != was_live);
}

static bool is_seen_before(const struct member *a, const struct member *b) {
    if (a->seen_ms != b->seen_ms) return a->seen_ms < b->seen_ms;
    return a->stamp != b->stamp ? a->stamp < b->stamp : a->sequence < b->sequence;
}

/* The live session of a user that was seen the longest ago, but for one. */
static uint32_t longest_unseen(const struct roll *roll, uint32_t first, uint32_t but) {
    uint32_t found = MEMBER_NONE;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (!m->is_live || m->is_register || ref == but) continue;
        if (found == MEMBER_NONE || is_seen_before(m, member_at(roll, found))) found = ref;
    }
    return found;
}

/* A session has become live, and its user has `live` sessions now: where these are too many, others leave. */
static void commit_displace(struct batch *batch, uint32_t first, uint32_t newcomer, uint32_t live) {
    struct roll *roll = batch->roll;
    for (; live > SESSIONS_LIVE_MAX; live--) {
        const struct planned leaver = {.member = longest_unseen(roll, first, newcomer)};
        const struct beat leave = {.status = member_at(roll, leaver.member)->status};
        commit_member(batch, &leaver, &leave,
                      &(struct writing){batch->stamp, ++roll->sequence, batch->now_ms, ORIGIN_SELF, false});
        batch->touched->displaced++;
        roll->displaced++;
    }
}

void commit_writing(struct batch *batch, const struct planned *planned, const struct beat *beat,
                    const struct writing *writing) {
    batch->is_untidy = true;
    struct roll *roll = batch->roll;
    const struct member *m = member_at(roll, planned->member);
    uint32_t user = commit_user(roll, planned->member);
    struct user_sum before = user_sum(roll, user);
    bool was_live = m->is_live, is_changed = commit_member(batch, planned, beat, writing);
    /* Another node has accepted its sessions already: they are merged whatever their number. */
    if (batch->changes == NULL && !m->is_register && m->is_live && !was_live)
        commit_displace(batch, user, planned->member, before.sessions + 1);
    struct user_sum after = user_sum(roll, user);
    user_account(roll, m->scope, user, &before, &after, is_changed, REASON_LEFT, batch->now_ms, batch->effects);
}

void commit_beat(struct batch *batch, const struct planned *planned, const struct beat *beat) {
    if (commit_plain(batch, planned, beat)) return;
    struct roll *roll = batch->roll;
    commit_writing(batch, planned, beat,
                   &(struct writing){batch->stamp, ++roll->sequence, batch->now_ms, ORIGIN_SELF, beat->ttl_ms > 0});
}

/* Whether a tombstone is forgotten before another one of its user. Of those that ended at one instant the last one that
 * left goes first: peers have heard the least of its session. */
static bool is_forgotten_before(const struct member *a, const struct member *b) {
    uint64_t a_end = member_lease_end_ms(a), b_end = member_lease_end_ms(b);
    return a_end != b_end ? a_end < b_end : a->sequence > b->sequence;
}

/* A user keeps so many tombstones; beyond them the oldest are forgotten. The user's first member then. */
static uint32_t commit_trim_sessions(struct batch *batch, uint32_t first) {
    struct roll *roll = batch->roll;
    for (;;) {
        unsigned gone = 0;
        uint32_t oldest = MEMBER_NONE;
        for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            const struct member *m = member_at(roll, ref);
            if (m->is_register || m->is_live || m->stamp == 0) continue;
            gone++;
            if (oldest == MEMBER_NONE || is_forgotten_before(m, member_at(roll, oldest))) oldest = ref;
        }
        if (gone <= SESSIONS_GONE_MAX) return first;
        if (oldest == first) first = member_at(roll, first)->next_session;
        member_forget(roll, oldest, batch->now_ms);
    }
}

void commit_leaves(struct batch *batch, size_t n) {
    struct roll *roll = batch->roll;
    for (size_t i = 0; i < n; i++) {
        if (batch->beats[i].kind != REGISTER_LEAVE) continue;
        const struct scope *scope = scope_at(roll, member_at(roll, batch->plan[i].member)->scope);
        uint64_t live = scope_live(scope);
        user_apply_leave(roll, batch->plan[i].member, batch->now_ms, batch->effects);
        batch->touched->left += scope_live(scope) < live;
    }
}

/* Lets go of what a session had to show, once it is gone. */
static void commit_slim(struct roll *roll, uint32_t ref) {
    struct member *m = member_at(roll, ref);
    if (m->is_live || m->stamp == 0 || !m->has_extra || m->user_len + m->session_len > MEMBER_INLINE_BYTES) return;
    tombstone_remove(roll, ref);
    member_slim(roll, m);
    tombstone_add(roll, ref);
}

void commit_tidy(struct batch *batch, size_t n) {
    struct roll *roll = batch->roll;
    uint32_t tidied = MEMBER_NONE; /* the first member of the last user, who mostly is the next beat's too */
    for (size_t i = 0; i < n; i++) {
        uint32_t ref = batch->plan[i].member;
        if (ref == MEMBER_NONE) continue;
        const struct member *m = member_at(roll, ref);
        /* The member may be forgotten by now, for another session of the same call. */
        if (!m->is_used || m->stamp == 0) continue;
        commit_slim(roll, ref);
        if (m->next_session == MEMBER_NONE && m->is_first) continue;
        uint32_t first = commit_user(roll, ref);
        if (first == tidied) continue;
        /* Sessions that were displaced are in no plan. */
        for (uint32_t at = first; batch->touched->displaced > 0 && at != MEMBER_NONE;
             at = member_at(roll, at)->next_session)
            commit_slim(roll, at);
        tidied = commit_trim_sessions(batch, first);
    }
}
