#include "frame.h"

#include <assert.h>

enum {
    FRAME_ORIGIN = 1,
    FRAME_NUMBER,
    FRAME_PREVIOUS,
    FRAME_LAST,
    FRAME_PARTIAL,
    FRAME_SENT,
    FRAME_RECORDS,
    FRAME_REFRESHES,
    FRAME_DIGEST,
    FRAME_REACH,
};

enum {
    REFRESHES_SEQUENCE = 1,
    REFRESHES_AGE,
    REFRESHES_STAMP,
    REFRESHES_SCOPES,
    REFRESHES_SCOPE_INDEXES,
    REFRESHES_USERS,
    REFRESHES_SESSIONS,
    REFRESHES_SEQUENCES,
    REFRESHES_AGES,
    REFRESHES_STAMPS,
};

enum {
    DIGEST_NODE_INFO = 1,
    DIGEST_ORIGINS,
    DIGEST_SEQUENCES,
    DIGEST_MEMBERS,
    DIGEST_WALL,
    DIGEST_LEAVING,
    DIGEST_PEER_HINT,
    DIGEST_VECTOR_VERSION,
    DIGEST_VECTOR_SINCE,
};

/* ---- writing --------------------------------------------------------------------------------------------------- */

static struct pb_writer carve(uint8_t **memory, size_t bytes_each) {
    struct pb_writer out = pb_write_to(*memory, FRAME_REFRESHES_MAX * bytes_each);
    *memory += FRAME_REFRESHES_MAX * bytes_each;
    return out;
}

static void columns_begin(struct columns *columns) {
    uint8_t *memory = columns->memory;
    columns->scopes = carve(&memory, 8);
    columns->scope_indexes = carve(&memory, 3);
    columns->users = carve(&memory, 8);
    columns->sessions = carve(&memory, 4);
    columns->sequences = carve(&memory, PB_VARINT_BYTES_MAX);
    columns->ages = carve(&memory, PB_VARINT_BYTES_MAX);
    columns->stamps = carve(&memory, PB_VARINT_BYTES_MAX);
    assert(memory == columns->memory + sizeof columns->memory);
    columns->count = columns->scope_count = 0;
    columns->has_sessions = columns->has_sequences = columns->has_stamps = false;
    columns->last_scope = (struct text){0};
    memset(columns->slots, 0, sizeof columns->slots);
}

void frame_pool_free(struct frame_pool *pool) {
    for (size_t i = 0; i < FRAME_POOL_DRAFTS; i++)
        pool->allocator.release(pool->allocator.context, atomic_exchange(&pool->drafts[i], NULL),
                                sizeof(struct frame_draft));
}

struct frame_draft *frame_draft_new(struct frame_pool *pool) {
    struct frame_draft *draft = NULL;
    for (size_t i = 0; i < FRAME_POOL_DRAFTS && draft == NULL; i++) draft = atomic_exchange(&pool->drafts[i], NULL);
    if (draft == NULL) draft = pool->allocator.allocate(pool->allocator.context, sizeof *draft);
    if (draft != NULL) draft->pool = pool;
    return draft;
}

void frame_draft_free(struct frame_draft *draft) {
    if (draft == NULL) return;
    struct frame_pool *pool = draft->pool;
    for (size_t i = 0; i < FRAME_POOL_DRAFTS && draft != NULL; i++) {
        struct frame_draft *none = NULL;
        if (atomic_compare_exchange_strong(&pool->drafts[i], &none, draft)) draft = NULL;
    }
    pool->allocator.release(pool->allocator.context, draft, sizeof *draft);
}

void frame_begin(struct frame_draft *draft, const struct roll *roll, uint64_t origin, uint64_t now_ms) {
    draft->roll = roll;
    draft->head = (struct frame_head){.origin = origin, .sent_ms = now_ms};
    draft->out =
        pb_write_to(draft->memory + FRAME_RECORDS_AT, sizeof draft->memory - FRAME_RECORDS_AT - SEAL_TAG_BYTES);
    columns_begin(&draft->columns);
}

static size_t columns_bytes(const struct columns *columns) {
    const struct pb_writer *all[] = {&columns->scopes,    &columns->scope_indexes, &columns->users, &columns->sessions,
                                     &columns->sequences, &columns->ages,          &columns->stamps};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) bytes += pb_written(all[i]);
    return bytes;
}

bool frame_has_room(const struct frame_draft *draft) {
    return pb_written(&draft->out) + columns_bytes(&draft->columns) < FRAME_MARK_BYTES &&
           draft->columns.count + FRAME_PIECE <= FRAME_REFRESHES_MAX;
}

/* The index of a scope in the frame; new ones are appended. */
static uint32_t columns_scope(struct columns *columns, const struct roll *roll, struct text scope) {
    if (columns->count > 0 && text_equal(scope, columns->last_scope)) return columns->last_scope_index;
    columns->last_scope = scope;
    uint64_t hash = columns->last_scope_hash = roll_hash(roll, scope);
    size_t slot = hash % FRAME_SCOPE_SLOTS;
    for (; columns->slots[slot] != 0; slot = (slot + 1) % FRAME_SCOPE_SLOTS) {
        struct pb_reader in = {columns->scopes.begin + 8 * (columns->slots[slot] - 1u), columns->scopes.at, false};
        if (pb_read_fixed64(&in) == hash) return columns->last_scope_index = columns->slots[slot] - 1u;
    }
    pb_append_fixed64(&columns->scopes, hash);
    columns->slots[slot] = (uint16_t)++columns->scope_count;
    return columns->last_scope_index = (uint32_t)columns->scope_count - 1;
}

static void columns_add(struct columns *columns, const struct roll *roll, const struct change *change,
                        uint64_t now_ms) {
    uint64_t age_ms = now_ms > change->seen_ms ? now_ms - change->seen_ms : 0;
    pb_append_varint(&columns->scope_indexes, columns_scope(columns, roll, change->scope));
    if (columns->count == 0) {
        columns->first_sequence = columns->sequence = change->sequence - 1;
        columns->first_age_ms = columns->age_ms = age_ms;
        columns->first_stamp = columns->stamp = change->stamp;
    }
    uint64_t shrunk_ms = columns->age_ms - age_ms;
    int64_t extra = (int64_t)(change->stamp - columns->stamp - (shrunk_ms << HLC_COUNTER_BITS));
    uint64_t session = roll_session_hash(roll, change->session);
    pb_append_fixed64(&columns->users, roll_hash(roll, change->user));
    pb_append_fixed32(&columns->sessions, (uint32_t)session);
    pb_append_varint(&columns->sequences, change->sequence - columns->sequence - 1);
    pb_append_varint(&columns->ages, pb_zigzag((int64_t)shrunk_ms));
    pb_append_varint(&columns->stamps, pb_zigzag(extra));
    columns->has_sessions |= session != 0;
    columns->has_sequences |= change->sequence != columns->sequence + 1;
    columns->has_stamps |= extra != 0;
    columns->sequence = change->sequence;
    columns->age_ms = age_ms;
    columns->stamp = change->stamp;
    columns->count++;
}

void frame_add(struct frame_draft *draft, const struct change *changes, size_t n) {
    assert(n <= FRAME_PIECE);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].is_refresh) columns_add(&draft->columns, draft->roll, &changes[i], draft->head.sent_ms);
        else record_put(&draft->out, FRAME_RECORDS, &changes[i], draft->head.origin, draft->head.sent_ms);
    }
}

static void columns_put(struct pb_writer *out, const struct columns *columns) {
    uint8_t *begun = pb_begin(out, FRAME_REFRESHES);
    pb_write_number(out, REFRESHES_SEQUENCE, columns->first_sequence);
    pb_write_number(out, REFRESHES_AGE, columns->first_age_ms);
    pb_write_fixed64(out, REFRESHES_STAMP, columns->first_stamp);
    pb_write_column(out, REFRESHES_SCOPES, &columns->scopes);
    if (columns->scope_count > 1) pb_write_column(out, REFRESHES_SCOPE_INDEXES, &columns->scope_indexes);
    pb_write_column(out, REFRESHES_USERS, &columns->users);
    if (columns->has_sessions) pb_write_column(out, REFRESHES_SESSIONS, &columns->sessions);
    if (columns->has_sequences) pb_write_column(out, REFRESHES_SEQUENCES, &columns->sequences);
    pb_write_column(out, REFRESHES_AGES, &columns->ages);
    if (columns->has_stamps) pb_write_column(out, REFRESHES_STAMPS, &columns->stamps);
    pb_end(out, begun);
}

void frame_add_digest(struct frame_draft *draft, const struct digest *digest) {
    struct pb_writer *out = &draft->out;
    uint8_t *begun = pb_begin(out, FRAME_DIGEST);
    node_info_put(out, DIGEST_NODE_INFO, &digest->node_info);
    vector_put(out, DIGEST_ORIGINS, digest->vector, digest->vector_count);
    pb_write_number(out, DIGEST_MEMBERS, digest->members);
    pb_write_number(out, DIGEST_WALL, digest->wall_ms);
    pb_write_number(out, DIGEST_LEAVING, digest->is_leaving);
    pb_write_text(out, DIGEST_PEER_HINT, digest->peer_hint);
    pb_write_number(out, DIGEST_VECTOR_VERSION, digest->vector_version);
    pb_write_number(out, DIGEST_VECTOR_SINCE, digest->vector_since);
    pb_end(out, begun);
}

struct text frame_end(struct frame_draft *draft, size_t *refresh_bytes) {
    const struct frame_head *head = &draft->head;
    size_t records = pb_written(&draft->out);
    if (draft->columns.count > 0) columns_put(&draft->out, &draft->columns);
    *refresh_bytes = pb_written(&draft->out) - records;
    assert(!draft->out.is_full);
    uint8_t memory[FRAME_HEAD_BYTES_MAX];
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    pb_write_fixed64(&out, FRAME_ORIGIN, head->origin);
    pb_write_number(&out, FRAME_NUMBER, head->number);
    pb_write_number(&out, FRAME_PREVIOUS, head->previous);
    pb_write_number(&out, FRAME_LAST, head->last);
    pb_write_number(&out, FRAME_PARTIAL, head->is_partial);
    pb_write_number(&out, FRAME_SENT, head->sent_ms);
    if (draft->columns.count > 0) pb_write_number(&out, FRAME_REACH, head->reach);
    assert(!out.is_full);
    uint8_t *begin = draft->out.begin - pb_written(&out);
    memcpy(begin, memory, pb_written(&out));
    return (struct text){(const char *)begin, (uint32_t)(draft->out.at - begin)};
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static bool digest_read(struct text bytes, struct known *vector, struct digest *digest) {
    *digest = (struct digest){.vector = vector};
    struct text origins = {0}, sequences = {0}, node_info = {0};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == DIGEST_NODE_INFO) node_info = field.bytes;
        else if (field.number == DIGEST_ORIGINS) origins = field.bytes;
        else if (field.number == DIGEST_SEQUENCES) sequences = field.bytes;
        else if (field.number == DIGEST_MEMBERS) digest->members = field.value;
        else if (field.number == DIGEST_WALL) digest->wall_ms = field.value;
        else if (field.number == DIGEST_LEAVING) digest->is_leaving = field.value != 0;
        else if (field.number == DIGEST_PEER_HINT) digest->peer_hint = field.bytes;
        else if (field.number == DIGEST_VECTOR_VERSION) digest->vector_version = field.value;
        else if (field.number == DIGEST_VECTOR_SINCE) digest->vector_since = field.value;
    }
    if (!is_address(digest->peer_hint)) digest->peer_hint = (struct text){0};
    return !in.is_broken && node_info_get(node_info, &digest->node_info) &&
           vector_get(origins, sequences, vector, &digest->vector_count);
}

/* Refreshes as they are read, one after the other. */
struct refresh_reader {
    struct pb_reader scope_indexes, users, sessions, sequences, ages, stamps;
    struct text scope_column;
    uint64_t sequence, age_ms, stamp;
    size_t count; /* that are left */
    bool has_indexes, has_sessions, has_sequences, has_stamps;
};

/* false: broken; then nothing is begun. */
static bool refresh_reader_begin(struct text bytes, struct refresh_reader *reader) {
    *reader = (struct refresh_reader){0};
    struct text columns[REFRESHES_STAMPS + 1] = {{0}};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        if (field.number == REFRESHES_SEQUENCE) reader->sequence = field.value;
        else if (field.number == REFRESHES_AGE) reader->age_ms = field.value;
        else if (field.number == REFRESHES_STAMP) reader->stamp = field.value;
        else if (field.number <= REFRESHES_STAMPS) columns[field.number] = field.bytes;
    }
    size_t n = columns[REFRESHES_USERS].len / 8;
    reader->has_indexes = columns[REFRESHES_SCOPE_INDEXES].len > 0;
    reader->has_sessions = columns[REFRESHES_SESSIONS].len > 0;
    reader->has_sequences = columns[REFRESHES_SEQUENCES].len > 0;
    reader->has_stamps = columns[REFRESHES_STAMPS].len > 0;
    bool is_whole = !in.is_broken && n <= REPLICA_FRAME_BYTES_MAX / 8 && columns[REFRESHES_USERS].len % 8 == 0 &&
                    columns[REFRESHES_SCOPES].len % 8 == 0 &&
                    (!reader->has_sessions || columns[REFRESHES_SESSIONS].len == 4 * n) &&
                    (!reader->has_indexes || pb_count_varints(columns[REFRESHES_SCOPE_INDEXES]) == n) &&
                    (!reader->has_stamps || pb_count_varints(columns[REFRESHES_STAMPS]) == n) &&
                    (!reader->has_sequences || pb_count_varints(columns[REFRESHES_SEQUENCES]) == n) &&
                    pb_count_varints(columns[REFRESHES_AGES]) == n;
    if (!is_whole) return false;
    reader->scope_column = columns[REFRESHES_SCOPES];
    reader->scope_indexes = pb_read(columns[REFRESHES_SCOPE_INDEXES]);
    reader->users = pb_read(columns[REFRESHES_USERS]);
    reader->sessions = pb_read(columns[REFRESHES_SESSIONS]);
    reader->sequences = pb_read(columns[REFRESHES_SEQUENCES]);
    reader->ages = pb_read(columns[REFRESHES_AGES]);
    reader->stamps = pb_read(columns[REFRESHES_STAMPS]);
    reader->count = n;
    return true;
}

/* The next one; refresh->seen_ms is its *age*. false where a value is out of its range. */
static bool refresh_reader_next(struct refresh_reader *reader, struct refresh *refresh) {
    *refresh = (struct refresh){0};
    if (reader->count == 0) return false;
    reader->count--;
    uint64_t index = reader->has_indexes ? pb_read_varint(&reader->scope_indexes) : 0;
    if (index >= reader->scope_column.len / 8) return false;
    struct pb_reader scope = pb_read(reader->scope_column);
    scope.at += 8 * index;
    uint64_t shrunk_ms = (uint64_t)pb_unzigzag(pb_read_varint(&reader->ages));
    uint64_t extra = reader->has_stamps ? (uint64_t)pb_unzigzag(pb_read_varint(&reader->stamps)) : 0;
    /* Unsigned: a hostile sender may make these wrap. The results are checked below. */
    reader->sequence += (reader->has_sequences ? pb_read_varint(&reader->sequences) : 0) + 1;
    reader->age_ms -= shrunk_ms;
    reader->stamp += (shrunk_ms << HLC_COUNTER_BITS) + extra;
    *refresh = (struct refresh){.scope_hash = pb_read_fixed64(&scope),
                                .user_hash = pb_read_fixed64(&reader->users),
                                .session_hash = reader->has_sessions ? pb_read_fixed32(&reader->sessions) : 0,
                                .sequence = reader->sequence,
                                .stamp = reader->stamp,
                                .seen_ms = reader->age_ms};
    return !reader->ages.is_broken && !reader->sequences.is_broken && !reader->stamps.is_broken &&
           refresh->sequence != 0 && refresh->sequence <= SEQUENCE_MAX && hlc_is_stamp(refresh->stamp) &&
           refresh->seen_ms <= RECORD_AGE_MAX_MS;
}

/* false: memory is short. */
static bool refreshes_read(struct text bytes, struct decode_memory *memory, struct frame *frame) {
    struct refresh_reader reader;
    frame->are_refreshes_broken = !refresh_reader_begin(bytes, &reader);
    while (!frame->are_refreshes_broken && reader.count > 0) {
        if (!decode_memory_fit_refresh(memory, frame->refresh_count)) return false;
        if (refresh_reader_next(&reader, &memory->refreshes[frame->refresh_count])) frame->refresh_count++;
        else frame->wrong_refreshes++;
    }
    frame->refreshes = memory->refreshes;
    return true;
}

/* Fields that are read once all have been seen: where a field comes twice, the last one counts. */
struct frame_parts {
    struct text refreshes, digest;
    bool has_refreshes;
};

static void frame_take_field(const struct pb_field *field, struct frame *frame, struct frame_parts *parts) {
    switch (field->number) {
    case FRAME_ORIGIN:
        frame->head.origin = field->value;
        break;
    case FRAME_NUMBER:
        frame->head.number = field->value;
        break;
    case FRAME_PREVIOUS:
        frame->head.previous = field->value;
        break;
    case FRAME_LAST:
        frame->head.last = field->value;
        break;
    case FRAME_PARTIAL:
        frame->head.is_partial = field->value != 0;
        break;
    case FRAME_SENT:
        frame->head.sent_ms = field->value;
        break;
    case FRAME_REACH:
        frame->head.reach = field->value;
        break;
    case FRAME_REFRESHES:
        parts->refreshes = field->bytes;
        parts->has_refreshes = true;
        break;
    case FRAME_DIGEST:
        parts->digest = field->bytes;
        frame->has_digest = true;
        break;
    default: /* a record, see frame_read_records; or a field of a newer version */
        break;
    }
}

static bool frame_read_records(struct text bytes, struct decode_memory *memory, struct frame *frame) {
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field))
        if (field.tag == PB_TAG(FRAME_RECORDS, PB_BYTES) &&
            !record_list_add(&frame->records, memory, field.bytes, frame->head.origin))
            return false;
    return true;
}

static bool frame_is_whole(struct text bytes, struct decode_memory *memory, struct frame *frame) {
    const struct frame_head *head = &frame->head;
    struct frame_parts parts = {0};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) frame_take_field(&field, frame, &parts);
    if (in.is_broken || head->origin == 0 || head->number == 0 || head->reach > head->previous ||
        head->previous > head->last || head->last > SEQUENCE_MAX)
        return false;
    if (frame->has_digest && !digest_read(parts.digest, memory->vector, &frame->digest)) return false;
    if (parts.has_refreshes && !refreshes_read(parts.refreshes, memory, frame)) return false;
    return frame_read_records(bytes, memory, frame);
}

bool frame_read(struct text bytes, struct decode_memory *memory, struct frame *frame) {
    *frame = (struct frame){0};
    if (frame_is_whole(bytes, memory, frame)) return true;
    *frame = (struct frame){0};
    return false;
}
