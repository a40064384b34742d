#include "answer.h"
#include "common/protobuf.h"
#include "muster/v1/presence.pb-c.h"
#include "node/turn.h"

#include <assert.h>

_Static_assert(CURSOR_BYTES + 4 * 8 <= ROWS_MARGIN_BYTES, "a cursor and marks fit beside the rows");

/* Rows of one answer, and events that are read for it: they bound how long the lock is held. */
#ifdef WATCH_TEST_SMALL
enum { ANSWER_ROWS_MAX = 3, ANSWER_SESSION_ROWS_MAX = 2, ANSWER_EVENTS_MAX = 5 };
#else
enum { ANSWER_ROWS_MAX = 1000, ANSWER_SESSION_ROWS_MAX = 250, ANSWER_EVENTS_MAX = 10000 };
#endif

/* Field numbers of the contract (presence.proto). */
enum { WATCH_CURSOR = 1, WATCH_RESYNC, WATCH_MORE, WATCH_PRESENT, WATCH_CHANGES, WATCH_COUNTS };
enum { COUNTS_SCOPE = 1, COUNTS_LIVE, COUNTS_ONLINE, COUNTS_AWAY, COUNTS_BUSY, COUNTS_SESSIONS, COUNTS_JOINED = 8 };
enum { COUNTS_LEFT = COUNTS_JOINED + 1, COUNTS_FIELDS = 7 };

/* Change.kind on the wire is one more than the effect's. */
_Static_assert(EFFECT_JOINED + 1 == MUSTER__V1__CHANGE_KIND__CHANGE_KIND_JOINED &&
                   EFFECT_LEFT + 1 == MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT &&
                   EFFECT_UPDATED + 1 == MUSTER__V1__CHANGE_KIND__CHANGE_KIND_UPDATED,
               "kinds are numbered alike");
_Static_assert((int)REASON_LEFT == (int)MUSTER__V1__LEAVE_REASON__LEAVE_REASON_LEFT &&
                   (int)REASON_EXPIRED == (int)MUSTER__V1__LEAVE_REASON__LEAVE_REASON_EXPIRED &&
                   (int)REASON_RESET == (int)MUSTER__V1__LEAVE_REASON__LEAVE_REASON_RESET,
               "reasons are numbered alike");

bool answer_can_resume(const struct watch_answer *answer) {
    const struct cursor *cursor = &answer->query.cursor;
    if (answer->query.is_counts) return true;
    if (cursor->phase == CURSOR_NEW) return false;
    return journal_reaches(&answer->query.scope->journal, cursor->base);
}

/* How many users of the scope are live; exact if the turn has ticked. */
static uint64_t live_users(const struct watch_answer *answer, const struct turn *turn) {
    struct scope_counts counts;
    roll_counts(turn->roll, watched_scope_name(answer->query.scope), NULL, 0, turn->now_ms, &counts, NULL);
    return counts.live;
}

bool answer_is_long(const struct watch_answer *answer, const struct turn *turn) {
    const struct cursor *cursor = &answer->query.cursor;
    uint64_t page = answer->query.with_sessions ? ANSWER_SESSION_ROWS_MAX : ANSWER_ROWS_MAX;
    if (answer->query.is_counts) return false;
    if (cursor->is_owed) return true;
    if (cursor->phase == CURSOR_WHOLE) return answer->query.scope->journal.version - cursor->base > page;
    return (answer->query.user_count > 0 ? answer->query.user_count : live_users(answer, turn)) > page;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static struct row_options options_of(const struct watch_answer *answer) {
    return (struct row_options){.scope = watched_scope_name(answer->query.scope),
                                .with_name = true,
                                .with_sessions = answer->query.with_sessions};
}

static bool is_full(const struct watch_answer *answer) {
    return answer->rows.count >= (answer->query.with_sessions ? ANSWER_SESSION_ROWS_MAX : ANSWER_ROWS_MAX);
}

/* Adds the change of a user, unless its events cancel out. False: the answer is full. */
static bool select_change(struct watch_answer *answer, uint32_t user, const struct turn *turn) {
    const struct cursor *cursor = &answer->query.cursor;
    const struct journal_user *record = journal_user(&answer->query.scope->journal, user);
    struct journal_change change = journal_change_of(&answer->query.scope->journal, user, cursor->base, cursor->target);
    if (change.at == 0 || (!change.was_live && !change.is_live)) return true;
    struct text name = {record->name, record->name_len};
    struct user_view view;
    roll_live(turn->roll, watched_scope_name(answer->query.scope), &name, 1, turn->now_ms, &view);
    uint8_t kind = change.was_live ? EFFECT_UPDATED : EFFECT_JOINED;
    if (!change.is_live) {
        kind = EFFECT_LEFT;
        view.live = false; /* it may have come back after the end of the range */
        view.status = STATUS_NONE;
        view.sessions = 0;
    } else if (!view.live) {
        /* It left after the end of the range. The next walk sends that; an update before it need not be sent, a join
         * must. */
        if (kind == EFFECT_UPDATED) return true;
        view.known = view.live = true;
    }
    if (is_full(answer)) return false;
    const struct row_options options = options_of(answer);
    return rows_take_change(&answer->rows, turn, &view, &options, kind + 1,
                            change.is_live ? REASON_NONE : change.reason) == ROWS_TAKEN;
}

/* Whether the watcher was sent the user of this hash already. */
static bool was_sent(const struct watch_answer *answer, uint64_t hash) {
    const struct cursor *cursor = &answer->query.cursor;
    return cursor->phase == CURSOR_WHOLE || (cursor->phase == CURSOR_SNAPSHOT && hash <= cursor->hash);
}

/* Continues the walk over events. Returns whether it is at its end. */
static bool walk_events(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    const struct journal *journal = &answer->query.scope->journal;
    for (int looked = 0; cursor->at < cursor->target; looked++) {
        uint64_t version = cursor->at + 1;
        const struct journal_event *event = journal_at(journal, version);
        bool is_last = event->next == 0 || version + event->next > cursor->target;
        if (looked == ANSWER_EVENTS_MAX) return false;
        if (is_last && was_sent(answer, journal_user(journal, event->user)->hash) &&
            !select_change(answer, event->user, turn)) {
            return false;
        }
        cursor->at = version;
    }
    return true;
}

/* The same, over the named users. */
static bool walk_users(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    const struct journal *journal = &answer->query.scope->journal;
    for (; cursor->at < answer->query.user_count; cursor->at++) {
        struct text name = answer->query.users[cursor->at];
        uint64_t hash = roll_hash(turn->roll, name);
        uint32_t user = journal_find(journal, name, hash);
        if (user != 0 && was_sent(answer, hash) && !select_change(answer, user, turn)) return false;
    }
    return true;
}

/* Selects what changed up to now. Returns whether all of it was selected. */
static bool select_changes(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    uint64_t version = answer->query.scope->journal.version;
    bool is_named = answer->query.user_count > 0;
    if (!cursor->is_walking) {
        if (cursor->base == version) return true;
        cursor->is_walking = true;
        cursor->target = version;
        cursor->at = is_named ? 0 : cursor->base;
    }
    if (is_named ? !walk_users(answer, turn) : !walk_events(answer, turn)) return false;
    cursor->is_walking = false;
    cursor->base = cursor->target;
    return cursor->base == version;
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

static bool take_present(struct watch_answer *answer, const struct user_view *view, const struct turn *turn) {
    const struct row_options options = options_of(answer);
    return !is_full(answer) && rows_take(&answer->rows, turn, view, &options) == ROWS_TAKEN;
}

static void snapshot_reached(struct cursor *cursor, uint64_t hash) {
    assert(cursor->phase != CURSOR_WHOLE);
    cursor->phase = CURSOR_SNAPSHOT;
    cursor->hash = hash;
}

static void snapshot_ended(struct cursor *cursor) {
    cursor->phase = CURSOR_WHOLE;
    cursor->hash = 0;
}

/* A page of the whole scope. Where nobody is live, it does not walk through those who are gone. */
static void select_everybody(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    if (live_users(answer, turn) == 0) {
        snapshot_ended(cursor);
        return;
    }
    const struct roll *roll = turn->roll;
    size_t limit = answer->query.with_sessions ? ANSWER_SESSION_ROWS_MAX : ANSWER_ROWS_MAX;
    struct user_view *views = arena_take(answer->arena, limit, sizeof *views);
    if (views == NULL) return;
    const uint64_t after = cursor->hash;
    struct page page = roll_list(roll, watched_scope_name(answer->query.scope), STATUS_MASK_ALL,
                                 cursor->phase == CURSOR_SNAPSHOT ? &after : NULL, limit, turn->now_ms, views);
    for (size_t i = 0; i < page.count; i++) {
        if (!take_present(answer, &views[i], turn)) return;
        snapshot_reached(cursor, roll_hash(roll, views[i].user));
    }
    if (page.more) snapshot_reached(cursor, page.next);
    else snapshot_ended(cursor);
}

/* A page of the named users. */
static void select_named(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    for (size_t i = 0; i < answer->query.user_count; i++) {
        struct text name = answer->query.users[i];
        uint64_t hash = roll_hash(turn->roll, name);
        struct user_view view;
        if (cursor->phase == CURSOR_SNAPSHOT && hash <= cursor->hash) continue;
        roll_live(turn->roll, watched_scope_name(answer->query.scope), &name, 1, turn->now_ms, &view);
        if (view.live && !take_present(answer, &view, turn)) return;
        snapshot_reached(cursor, hash);
    }
    snapshot_ended(cursor);
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static bool select_counts(struct watch_answer *answer, const struct turn *turn) {
    struct scope_counts *counts = &answer->counts;
    struct text scope = watched_scope_name(answer->query.scope);
    if (!arena_copy(answer->arena, scope, &answer->counts_scope)) return false;
    roll_counts(turn->roll, scope, NULL, 0, turn->now_ms, counts, NULL);
    const uint64_t shown[] = {counts->live, counts->by_status[STATUS_AWAY], counts->by_status[STATUS_ONLINE],
                              counts->by_status[STATUS_BUSY], counts->sessions};
    uint64_t digest = cursor_digest(watches_cursor_key(answer->watches), shown, sizeof shown);
    answer->has_counts = answer->query.cursor.phase != CURSOR_WHOLE || digest != answer->query.cursor.base;
    answer->query.cursor.base = digest;
    answer->query.cursor.phase = CURSOR_WHOLE;
    return true;
}

bool answer_select(struct watch_answer *answer, const struct turn *turn) {
    struct cursor *cursor = &answer->query.cursor;
    answer->more = answer->has_counts = false;
    if (answer->query.is_counts) return select_counts(answer, turn);
    size_t capacity = answer->query.with_sessions ? ANSWER_SESSION_ROWS_MAX : ANSWER_ROWS_MAX;
    if (!rows_open(&answer->rows, answer->arena, answer->now, capacity + 1)) return false;
    if (cursor->phase == CURSOR_NEW) cursor->base = answer->query.scope->journal.version;
    if (!select_changes(answer, turn)) answer->more = true;
    else if (cursor->phase != CURSOR_WHOLE && answer->query.user_count > 0) select_named(answer, turn);
    else if (cursor->phase != CURSOR_WHOLE) select_everybody(answer, turn);
    if (cursor->phase != CURSOR_WHOLE) answer->more = true;
    cursor->is_owed = answer->more;
    watched_scope_hand_out(answer->query.scope, cursor->is_walking ? cursor->target : cursor->base);
    return true;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* The values of a ScopeCounts by their field. */
struct counts_field {
    unsigned field;
    uint64_t value;
};

static void counts_fields(const struct scope_counts *counts, struct counts_field out[COUNTS_FIELDS]) {
    const struct counts_field fields[COUNTS_FIELDS] = {{COUNTS_LIVE, counts->live},
                                                       {COUNTS_ONLINE, counts->by_status[STATUS_ONLINE]},
                                                       {COUNTS_AWAY, counts->by_status[STATUS_AWAY]},
                                                       {COUNTS_BUSY, counts->by_status[STATUS_BUSY]},
                                                       {COUNTS_SESSIONS, counts->sessions},
                                                       {COUNTS_JOINED, counts->joined},
                                                       {COUNTS_LEFT, counts->left}};
    memcpy(out, fields, sizeof fields);
}

static size_t counts_size(const struct watch_answer *answer) {
    struct counts_field fields[COUNTS_FIELDS];
    counts_fields(&answer->counts, fields);
    size_t size = pb_text_size(answer->counts_scope.len);
    for (int i = 0; i < COUNTS_FIELDS; i++) size += pb_number_size(fields[i].value);
    return size;
}

static uint8_t *put_counts(uint8_t *at, const struct watch_answer *answer, size_t size) {
    struct counts_field fields[COUNTS_FIELDS];
    counts_fields(&answer->counts, fields);
    at = pb_put_length(at, WATCH_COUNTS, size);
    at = pb_put_text(at, COUNTS_SCOPE, answer->counts_scope.data, answer->counts_scope.len);
    for (int i = 0; i < COUNTS_FIELDS; i++) at = pb_put_number(at, fields[i].field, fields[i].value);
    return at;
}

bool answer_encode(const struct watch_answer *answer, struct text *news) {
    size_t counts = answer->has_counts ? counts_size(answer) : 0;
    size_t size = pb_number_size(answer->query.resync) + pb_number_size(answer->more);
    size += answer->has_counts ? pb_element_size(counts) : 0;
    for (size_t i = 0; i < answer->rows.count; i++) size += row_size(&answer->rows.items[i]);
    uint8_t *start = arena_take(answer->arena, 1, size);
    if (start == NULL) return false;
    uint8_t *at = pb_put_number(start, WATCH_RESYNC, answer->query.resync);
    at = pb_put_number(at, WATCH_MORE, answer->more);
    for (size_t i = 0; i < answer->rows.count; i++) {
        const struct user_row *row = &answer->rows.items[i];
        at = row_put(at, row->kind == 0 ? WATCH_PRESENT : WATCH_CHANGES, row);
    }
    if (answer->has_counts) at = put_counts(at, answer, counts);
    assert((size_t)(at - start) == size);
    *news = (struct text){(const char *)start, (uint32_t)size};
    return true;
}

bool answer_body(struct arena *arena, const struct cursor_key *key, struct text news, const struct cursor *cursor,
                 struct text *body) {
    size_t size = pb_element_size(CURSOR_BYTES) + news.len;
    uint8_t *start = arena_take(arena, 1, size);
    if (start == NULL) return false;
    uint8_t *at = pb_put_length(start, WATCH_CURSOR, CURSOR_BYTES);
    cursor_write(key, cursor, (char *)at);
    if (news.len > 0) memcpy(at + CURSOR_BYTES, news.data, news.len);
    *body = (struct text){(const char *)start, (uint32_t)size};
    return true;
}
