#include "journal.h"

#include <assert.h>
#include <string.h>

_Static_assert((JOURNAL_EVENTS_MAX & (JOURNAL_EVENTS_MAX - 1)) == 0, "segments are found by shifting");

/* ---- users ------------------------------------------------------------------------------------------------------- */

struct journal_user *journal_user(const struct journal *journal, uint32_t user) {
    return &journal->blocks[user / JOURNAL_USERS_BLOCK][user % JOURNAL_USERS_BLOCK];
}

static uint64_t hash_of(const void *context, uint32_t user) {
    return journal_user(context, user)->hash;
}

uint32_t journal_find(const struct journal *journal, struct text user, uint64_t hash) {
    const struct index_slot *slot = index_find(&journal->users, hash);
    if (slot == NULL) return 0;
    for (uint32_t high = slot->high; slot->ref != 0 && slot->high == high; slot++) {
        const struct journal_user *found = journal_user(journal, slot->ref);
        if (text_equal((struct text){found->name, found->name_len}, user)) return slot->ref;
    }
    return 0;
}

static bool add_block(struct journal *journal) {
    const struct allocator *a = journal->allocator;
    if (journal->block_count == journal->block_capacity) {
        uint32_t capacity = journal->block_capacity == 0 ? 4 : journal->block_capacity * 2;
        struct journal_user **blocks = a->allocate(a->context, capacity * sizeof *blocks);
        if (blocks == NULL) return false;
        if (journal->block_count > 0) memcpy(blocks, journal->blocks, journal->block_count * sizeof *blocks);
        a->release(a->context, journal->blocks, journal->block_capacity * sizeof *blocks);
        journal->blocks = blocks;
        journal->block_capacity = capacity;
    }
    struct journal_user *block = a->allocate(a->context, JOURNAL_USERS_BLOCK * sizeof *block);
    if (block == NULL) return false;
    journal->blocks[journal->block_count++] = block;
    return true;
}

static uint32_t take_user(struct journal *journal) {
    uint32_t user = journal->free_user;
    if (user != 0) {
        journal->free_user = journal_user(journal, user)->next_dirty;
        return user;
    }
    if (journal->fresh_user == 0) journal->fresh_user = 1; /* 0 is none */
    if (journal->fresh_user >= journal->block_count * JOURNAL_USERS_BLOCK && !add_block(journal)) return 0;
    return journal->fresh_user++;
}

static void give_user(struct journal *journal, uint32_t user) {
    struct journal_user *record = journal_user(journal, user);
    *record = (struct journal_user){.next_dirty = journal->free_user};
    journal->free_user = user;
}

static uint32_t make_user(struct journal *journal, struct text name, uint64_t hash) {
    const struct allocator *a = journal->allocator;
    uint32_t user = take_user(journal);
    if (user == 0) return 0;
    struct journal_user *record = journal_user(journal, user);
    *record = (struct journal_user){.hash = hash, .name_len = (uint8_t)name.len};
    if ((record->name = a->allocate(a->context, name.len)) == NULL) goto fail;
    memcpy(record->name, name.data, name.len);
    if (index_insert(&journal->users, hash, user, hash_of, journal, a)) return user;
    a->release(a->context, record->name, name.len);
fail:
    give_user(journal, user);
    return 0;
}

static void drop_user_if_unused(struct journal *journal, uint32_t user) {
    struct journal_user *record = journal_user(journal, user);
    if (record->events > 0 || record->holds > 0) return;
    index_remove(&journal->users, record->hash, user);
    index_tidy(&journal->users, journal->allocator);
    journal->allocator->release(journal->allocator->context, record->name, record->name_len);
    give_user(journal, user);
}

uint32_t journal_hold(struct journal *journal, struct text name, uint64_t hash) {
    uint32_t user = journal_find(journal, name, hash);
    if (user == 0) user = make_user(journal, name, hash);
    if (user != 0) journal_user(journal, user)->holds++;
    return user;
}

void journal_let_go(struct journal *journal, uint32_t user) {
    assert(journal_user(journal, user)->holds > 0);
    journal_user(journal, user)->holds--;
    drop_user_if_unused(journal, user);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static struct journal_event *event_at(const struct journal *journal, uint64_t version) {
    struct journal_event *segment = journal->segments[version / JOURNAL_SEGMENT_EVENTS % JOURNAL_SEGMENTS_MAX];
    return &segment[version % JOURNAL_SEGMENT_EVENTS];
}

const struct journal_event *journal_at(const struct journal *journal, uint64_t version) {
    return event_at(journal, version);
}

static struct journal_event **segment_of(struct journal *journal, uint64_t version) {
    return &journal->segments[version / JOURNAL_SEGMENT_EVENTS % JOURNAL_SEGMENTS_MAX];
}

static void drop_segment(struct journal *journal, uint64_t version) {
    struct journal_event **segment = segment_of(journal, version);
    const struct allocator *a = journal->allocator;
    if (*segment != NULL) a->release(a->context, *segment, JOURNAL_SEGMENT_EVENTS * sizeof **segment);
    *segment = NULL;
}

void journal_forget_oldest(struct journal *journal) {
    assert(journal->first <= journal->version);
    uint64_t version = journal->first++;
    uint32_t user = event_at(journal, version)->user;
    if ((version + 1) % JOURNAL_SEGMENT_EVENTS == 0) drop_segment(journal, version);
    assert(journal_user(journal, user)->events > 0);
    journal_user(journal, user)->events--;
    drop_user_if_unused(journal, user);
}

static void forget_all(struct journal *journal) {
    while (journal->first <= journal->version) journal_forget_oldest(journal);
    drop_segment(journal, journal->version);
}

void journal_lose(struct journal *journal) {
    forget_all(journal);
    journal->version++;
    journal->first = journal->version + 1;
}

void journal_open(struct journal *journal, uint64_t version, const struct allocator *allocator) {
    *journal = (struct journal){.allocator = allocator, .first = version + 1, .version = version, .handed = version};
}

void journal_close(struct journal *journal) {
    const struct allocator *a = journal->allocator;
    forget_all(journal);
    index_clear(&journal->users, a);
    for (uint32_t i = 0; i < journal->block_count; i++)
        a->release(a->context, journal->blocks[i], JOURNAL_USERS_BLOCK * sizeof *journal->blocks[i]);
    a->release(a->context, journal->blocks, journal->block_capacity * sizeof(struct journal_user *));
    *journal = (struct journal){0};
}

/* Room for the event of the next version. */
static bool reserve_event(struct journal *journal) {
    const struct allocator *a = journal->allocator;
    if (journal_events(journal) >= JOURNAL_EVENTS_MAX) journal_forget_oldest(journal);
    struct journal_event **segment = segment_of(journal, journal->version + 1);
    if (*segment == NULL) *segment = a->allocate(a->context, JOURNAL_SEGMENT_EVENTS * sizeof **segment);
    return *segment != NULL;
}

uint32_t journal_note(struct journal *journal, struct text name, uint64_t hash, uint8_t kind, uint8_t reason) {
    uint32_t user = journal_find(journal, name, hash);
    struct journal_user *record = user == 0 ? NULL : journal_user(journal, user);
    if (kind == EFFECT_UPDATED && record != NULL && record->events > 0 && record->last > journal->handed) return user;
    /* A new user has no events yet: it is held, so that it outlives the oldest events, which may go now. */
    if ((user = journal_hold(journal, name, hash)) == 0 || !reserve_event(journal)) {
        journal_lose(journal);
        if (user != 0) journal_let_go(journal, user);
        return 0;
    }
    record = journal_user(journal, user);
    uint64_t version = ++journal->version;
    struct journal_event *event = event_at(journal, version);
    *event = (struct journal_event){.user = user, .kind = kind, .reason = reason};
    if (record->events > 0) {
        event->previous = (uint32_t)(version - record->last);
        event_at(journal, record->last)->next = event->previous;
    }
    record->last = version;
    record->events++;
    record->holds--;
    return user;
}

/* ---- what changed ------------------------------------------------------------------------------------------------ */

struct journal_change journal_change_of(const struct journal *journal, uint32_t user, uint64_t after, uint64_t until) {
    struct journal_change change = {0};
    const struct journal_user *record = journal_user(journal, user);
    if (record->events == 0) return change;
    uint64_t version = record->last;
    while (version > after && version >= journal->first) {
        const struct journal_event *event = event_at(journal, version);
        if (version <= until && change.at == 0) {
            change.at = version;
            change.is_live = event->kind != EFFECT_LEFT;
            change.reason = event->reason;
        }
        change.was_live = event->kind != EFFECT_JOINED; /* the earliest has the last word */
        if (event->previous == 0) break;
        version -= event->previous;
    }
    return change;
}
