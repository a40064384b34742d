#include "answer.h"
#include "muster/v1/presence.pb-c.h"
#include "node/turn.h"

#include "common/protobuf.h"
#include <assert.h>

_Static_assert(CURSOR_BYTES + 4 * 8 <= ROWS_MARGIN_BYTES, "a cursor and marks fit beside the rows");

/* Rows of one answer, and events that are looked at for it: the lock is held meanwhile. */
#ifdef WATCH_TEST_SMALL
enum { TELL_ROWS_MAX = 3, TELL_SESSION_ROWS_MAX = 2, TELL_EVENTS_MAX = 5 };
#else
enum { TELL_ROWS_MAX = 1000, TELL_SESSION_ROWS_MAX = 250, TELL_EVENTS_MAX = 10000 };
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

bool tell_can_resume(const struct telling *telling) {
    const struct cursor *cursor = &telling->cursor;
    if (telling->is_counts) return true;
    if (!cursor->is_placed && !cursor->is_whole) return false;
    return journal_reaches(&telling->scope->journal, cursor->base);
}

/* Live users of the scope; exact where roll_tick has nothing left to do. */
static uint64_t live_users(const struct telling *telling, const struct turn *turn) {
    struct scope_counts counts;
    roll_counts(turn->roll, watched_name(telling->scope), NULL, 0, turn->now_ms, &counts, NULL);
    return counts.live;
}

bool tell_is_long(const struct telling *telling, const struct turn *turn) {
    const struct cursor *cursor = &telling->cursor;
    uint64_t page = telling->with_sessions ? TELL_SESSION_ROWS_MAX : TELL_ROWS_MAX;
    if (telling->is_counts) return false;
    if (cursor->is_owed) return true;
    if (cursor->is_whole) return telling->scope->journal.version - cursor->base > page;
    return (telling->user_count > 0 ? telling->user_count : live_users(telling, turn)) > page;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static struct row_options options_of(const struct telling *telling) {
    return (struct row_options){
        .scope = watched_name(telling->scope), .with_name = true, .with_sessions = telling->with_sessions};
}

static bool is_full(const struct telling *telling) {
    return telling->rows.count >= (telling->with_sessions ? TELL_SESSION_ROWS_MAX : TELL_ROWS_MAX);
}

/* One user's change, where its events come to one. False: the reply is full. */
static bool tell_change(struct telling *telling, uint32_t user, const struct turn *turn) {
    const struct cursor *cursor = &telling->cursor;
    const struct journal_user *record = journal_user(&telling->scope->journal, user);
    struct journal_change change = journal_change_of(&telling->scope->journal, user, cursor->base, cursor->target);
    if (change.at == 0 || (!change.was_live && !change.is_live)) return true;
    struct text name = {record->name, record->name_len};
    struct user_view view;
    roll_live(turn->roll, watched_name(telling->scope), &name, 1, turn->now_ms, &view);
    uint8_t kind = change.was_live ? EFFECT_UPDATED : EFFECT_JOINED;
    if (!change.is_live) {
        kind = EFFECT_LEFT;
        view.live = false; /* it may have come back since */
        view.status = STATUS_NONE;
        view.sessions = 0;
    } else if (!view.live) {
        if (kind == EFFECT_UPDATED) return true; /* gone since: that is told, the update need not be */
        view.known = view.live = true;           /* it joined; that it is gone since is told with the next walk */
    }
    if (is_full(telling)) return false;
    const struct row_options options = options_of(telling);
    return rows_take_change(&telling->rows, turn, &view, &options, kind + 1,
                            change.is_live ? REASON_NONE : change.reason) == ROWS_TAKEN;
}

/* Whether the watcher was told of a user so far. */
static bool is_told_of(const struct telling *telling, uint64_t place) {
    return telling->cursor.is_whole || (telling->cursor.is_placed && place <= telling->cursor.place);
}

/* Goes on with the walk over events. Whether it came to its end. */
static bool walk_events(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    const struct journal *journal = &telling->scope->journal;
    for (int looked = 0; cursor->at < cursor->target; looked++) {
        uint64_t version = cursor->at + 1;
        const struct journal_event *event = journal_at(journal, version);
        bool is_last = event->next == 0 || version + event->next > cursor->target;
        if (looked == TELL_EVENTS_MAX) return false;
        if (is_last && is_told_of(telling, journal_user(journal, event->user)->place) &&
            !tell_change(telling, event->user, turn)) {
            return false;
        }
        cursor->at = version;
    }
    return true;
}

/* The same over named users. */
static bool walk_users(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    const struct journal *journal = &telling->scope->journal;
    for (; cursor->at < telling->user_count; cursor->at++) {
        struct text name = telling->users[cursor->at];
        uint64_t place = roll_hash(turn->roll, name);
        uint32_t user = journal_find(journal, name, place);
        if (user != 0 && is_told_of(telling, place) && !tell_change(telling, user, turn)) return false;
    }
    return true;
}

/* Tells what changed up to now; whether all of it was told. */
static bool tell_changes(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    uint64_t version = telling->scope->journal.version;
    bool is_named = telling->user_count > 0;
    if (!cursor->is_walking) {
        if (cursor->base == version) return true;
        cursor->is_walking = true;
        cursor->target = version;
        cursor->at = is_named ? 0 : cursor->base;
    }
    if (is_named ? !walk_users(telling, turn) : !walk_events(telling, turn)) return false;
    cursor->is_walking = false;
    cursor->base = cursor->target;
    return cursor->base == version;
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

static bool take_present(struct telling *telling, const struct user_view *view, const struct turn *turn) {
    const struct row_options options = options_of(telling);
    return !is_full(telling) && rows_take(&telling->rows, turn, view, &options) == ROWS_TAKEN;
}

static void told_up_to(struct cursor *cursor, uint64_t place) {
    cursor->is_placed = true;
    cursor->place = place;
}

/* A page of the whole scope. A walk through many who are gone is spared where nobody is live. */
static void tell_everybody(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    if (live_users(telling, turn) == 0) {
        cursor->is_whole = true;
        return;
    }
    const struct roll *roll = turn->roll;
    size_t limit = telling->with_sessions ? TELL_SESSION_ROWS_MAX : TELL_ROWS_MAX;
    struct user_view *views = arena_take(telling->arena, limit, sizeof *views);
    if (views == NULL) return;
    const uint64_t after = cursor->place;
    struct page page = roll_list(roll, watched_name(telling->scope), STATUS_MASK_ALL, cursor->is_placed ? &after : NULL,
                                 limit, turn->now_ms, views);
    for (size_t i = 0; i < page.count; i++) {
        if (!take_present(telling, &views[i], turn)) return;
        told_up_to(cursor, roll_hash(roll, views[i].user));
    }
    if (page.more) told_up_to(cursor, page.next);
    else cursor->is_whole = true;
}

/* A page of the named users. */
static void tell_named(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    for (size_t i = 0; i < telling->user_count; i++) {
        struct text name = telling->users[i];
        uint64_t place = roll_hash(turn->roll, name);
        struct user_view view;
        if (cursor->is_placed && place <= cursor->place) continue;
        roll_live(turn->roll, watched_name(telling->scope), &name, 1, turn->now_ms, &view);
        if (view.live && !take_present(telling, &view, turn)) return;
        told_up_to(cursor, place);
    }
    cursor->is_whole = true;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static void tell_counts(struct telling *telling, const struct turn *turn) {
    struct scope_counts *counts = &telling->counts;
    roll_counts(turn->roll, watched_name(telling->scope), NULL, 0, turn->now_ms, counts, NULL);
    const uint64_t shown[] = {counts->live, counts->by_status[STATUS_AWAY], counts->by_status[STATUS_ONLINE],
                              counts->by_status[STATUS_BUSY], counts->sessions};
    uint64_t digest = cursor_digest(watches_cursor_key(telling->watches), shown, sizeof shown);
    telling->has_counts = !telling->cursor.is_whole || digest != telling->cursor.base;
    telling->cursor.base = digest;
    telling->cursor.is_whole = true;
}

bool tell(struct telling *telling, const struct turn *turn) {
    struct cursor *cursor = &telling->cursor;
    telling->more = telling->has_counts = false;
    if (telling->is_counts) {
        tell_counts(telling, turn);
        return true;
    }
    size_t capacity = telling->with_sessions ? TELL_SESSION_ROWS_MAX : TELL_ROWS_MAX;
    if (!rows_open(&telling->rows, telling->arena, telling->now, capacity + 1)) return false;
    if (!cursor->is_placed && !cursor->is_whole) cursor->base = telling->scope->journal.version;
    if (!tell_changes(telling, turn)) telling->more = true;
    else if (!cursor->is_whole && telling->user_count > 0) tell_named(telling, turn);
    else if (!cursor->is_whole) tell_everybody(telling, turn);
    if (!cursor->is_whole) telling->more = true;
    cursor->is_owed = telling->more;
    watched_hand_out(telling->scope, cursor->is_walking ? cursor->target : cursor->base);
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

static size_t counts_size(const struct telling *telling) {
    struct counts_field fields[COUNTS_FIELDS];
    counts_fields(&telling->counts, fields);
    size_t size = pb_text_size(telling->scope->name_len);
    for (int i = 0; i < COUNTS_FIELDS; i++) size += pb_number_size(fields[i].value);
    return size;
}

static uint8_t *put_counts(uint8_t *at, const struct telling *telling, size_t size) {
    struct counts_field fields[COUNTS_FIELDS];
    counts_fields(&telling->counts, fields);
    at = pb_put_length(at, WATCH_COUNTS, size);
    at = pb_put_text(at, COUNTS_SCOPE, telling->scope->name, telling->scope->name_len);
    for (int i = 0; i < COUNTS_FIELDS; i++) at = pb_put_number(at, fields[i].field, fields[i].value);
    return at;
}

bool tell_encode(const struct telling *telling, struct text *news) {
    size_t counts = telling->has_counts ? counts_size(telling) : 0;
    size_t size = pb_number_size(telling->resync) + pb_number_size(telling->more);
    size += telling->has_counts ? pb_element_size(counts) : 0;
    for (size_t i = 0; i < telling->rows.count; i++) size += row_size(&telling->rows.items[i]);
    uint8_t *start = arena_take(telling->arena, 1, size);
    if (start == NULL) return false;
    uint8_t *at = pb_put_number(start, WATCH_RESYNC, telling->resync);
    at = pb_put_number(at, WATCH_MORE, telling->more);
    for (size_t i = 0; i < telling->rows.count; i++) {
        const struct user_row *row = &telling->rows.items[i];
        at = row_put(at, row->kind == 0 ? WATCH_PRESENT : WATCH_CHANGES, row);
    }
    if (telling->has_counts) at = put_counts(at, telling, counts);
    assert((size_t)(at - start) == size);
    *news = (struct text){(const char *)start, (uint32_t)size};
    return true;
}

bool tell_body(struct arena *arena, const struct cursor_key *key, struct text news, const struct cursor *cursor,
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
