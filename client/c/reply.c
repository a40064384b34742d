#include "reply.h"

#include "client_error.h"

#include <stdlib.h>

#define BYTES(number)  PB_TAG(number, PB_BYTES)
#define NUMBER(number) PB_TAG(number, PB_VARINT)

/* ---- result objects ---------------------------------------------------------------------------------------------- */

struct result *result_new(void) {
    return calloc(1, sizeof(struct result));
}

void result_free(struct result *result) {
    if (result == NULL) return;
    free(result->items.data);
    free(result->parts.data);
    free(result->text.data);
    free(result);
}

void result_clear(struct result *result, enum reply_kind kind) {
    switch (kind) {
    case REPLY_LIVE:
    case REPLY_LIST:
        result->view.users = (struct muster_users){.next_page_token = ""};
        return;
    case REPLY_COUNTS:
        result->view.counts = (struct muster_counts){0};
        return;
    case REPLY_SCOPES:
        result->view.scopes = (struct muster_scopes){.next_page_token = ""};
        return;
    case REPLY_NODES:
        result->view.nodes = (struct muster_nodes){0};
        return;
    case REPLY_WHERE:
        result->view.places = (struct muster_places){.next_page_token = ""};
        return;
    case REPLY_WATCH:
        result->view.watch = (struct watch_answer){.cursor = ""};
        return;
    case REPLY_TOUCH:
    case REPLY_LEAVE:
    case REPLY_RESET:
    case REPLY_SET_STATUS:
        return;
    }
}

void muster_users_free(struct muster_users *users) {
    result_free((struct result *)users);
}

void muster_counts_free(struct muster_counts *counts) {
    result_free((struct result *)counts);
}

void muster_scopes_free(struct muster_scopes *scopes) {
    result_free((struct result *)scopes);
}

void muster_places_free(struct muster_places *places) {
    result_free((struct result *)places);
}

void muster_nodes_free(struct muster_nodes *nodes) {
    result_free((struct result *)nodes);
}

/* ---- filling one ------------------------------------------------------------------------------------------------- */

/* Fills a result's blocks, which were made large enough before. */
struct filler {
    char *text;
    void *parts;                    /* the next session or window */
    bool has_sessions, has_windows; /* false: such fields are skipped */
    bool is_broken;
};

static bool block_reserve(struct block *block, size_t count, size_t size) {
    size_t bytes = count * size;
    if (block->data != NULL && bytes <= block->bytes) return true;
    free(block->data);
    block->data = malloc(bytes == 0 ? 1 : bytes);
    block->bytes = block->data == NULL ? 0 : bytes;
    return block->data != NULL;
}

/* How many fields of this tag a message has. */
static size_t count_fields(struct text message, uint32_t tag) {
    struct pb_reader reader = pb_read(message);
    struct pb_field field;
    size_t count = 0;
    while (pb_next(&reader, &field)) count += field.tag == tag;
    return count;
}

/* How many fields `inner` all the fields `outer` of a message have together. */
static size_t count_inner(struct text message, uint32_t outer, uint32_t inner) {
    struct pb_reader reader = pb_read(message);
    struct pb_field field;
    size_t count = 0;
    while (pb_next(&reader, &field)) {
        if (field.tag == outer) count += count_fields(field.bytes, inner);
    }
    return count;
}

/* Room for all the text that a message can hold: a string in it takes its length, and a tag and the length before,
 * where the copy takes its length and a NUL. */
static bool begin_fill(struct result *result, struct text message, size_t items, size_t item_bytes, size_t parts,
                       size_t part_bytes, struct filler *filler) {
    if (!block_reserve(&result->items, items, item_bytes)) return false;
    if (!block_reserve(&result->parts, parts, part_bytes)) return false;
    if (!block_reserve(&result->text, message.len + 1, 1)) return false;
    filler->text = result->text.data;
    filler->parts = result->parts.data;
    return true;
}

static inline const char *keep_text(struct filler *filler, struct text text) {
    char *copy = filler->text;
    if (text.len == 0) return "";
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    filler->text = copy + text.len + 1;
    return copy;
}

static inline enum muster_status status_of(uint64_t value) {
    return value <= MUSTER_STATUS_BUSY ? (enum muster_status)value : MUSTER_STATUS_UNSPECIFIED;
}

/* Session: session 1, status 2, state 3, last_seen_ms 4, ttl_ms 5. */
static void fill_session(struct text message, struct filler *filler) {
    struct muster_session *session = filler->parts;
    *session = (struct muster_session){.session = ""};
    filler->parts = session + 1;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        switch (field.tag) {
        case BYTES(1):
            session->session = keep_text(filler, field.bytes);
            break;
        case NUMBER(2):
            session->status = status_of(field.value);
            break;
        case BYTES(3):
            session->state_len = field.bytes.len;
            session->state = field.bytes.len == 0 ? NULL : keep_text(filler, field.bytes);
            break;
        case NUMBER(4):
            session->last_seen_ms = (int64_t)field.value;
            break;
        case NUMBER(5):
            session->ttl_ms = (uint32_t)field.value;
            break;
        }
    }
    filler->is_broken |= reader.is_broken;
}

/* What User and Place have under the same numbers: status 3, last_seen_ms 4, session_count 5, sessions 6. */
struct presence {
    enum muster_status status;
    int64_t last_seen_ms;
    uint32_t session_count;
    const struct muster_session *sessions; /* NULL: none was listed */
};

static void fill_presence(const struct pb_field *field, struct presence *presence, struct filler *filler) {
    switch (field->tag) {
    case NUMBER(3):
        presence->status = status_of(field->value);
        break;
    case NUMBER(4):
        presence->last_seen_ms = (int64_t)field->value;
        break;
    case NUMBER(5):
        presence->session_count = (uint32_t)field->value;
        break;
    case BYTES(6):
        if (filler->has_sessions) fill_session(field->bytes, filler);
        break;
    }
}

/* The sessions that were filled in since `first` are the presence's. */
static void end_presence(struct presence *presence, const struct muster_session *first, const struct filler *filler) {
    size_t listed = (size_t)((const struct muster_session *)filler->parts - first);
    if (listed == 0) return;
    presence->sessions = first;
    presence->session_count = (uint32_t)listed;
}

/* User: user 1, live 2, and a presence. */
static void fill_user(struct text message, struct muster_user *user, struct filler *filler) {
    const struct muster_session *first = filler->parts;
    struct presence presence = {0};
    *user = (struct muster_user){.user = ""};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) user->user = keep_text(filler, field.bytes);
        else if (field.tag == NUMBER(2)) user->is_live = field.value != 0;
        else fill_presence(&field, &presence, filler);
    }
    end_presence(&presence, first, filler);
    user->status = presence.status;
    user->last_seen_ms = presence.last_seen_ms;
    user->session_count = presence.session_count;
    user->sessions = presence.sessions;
    filler->is_broken |= reader.is_broken;
}

/* LiveResponse and ListResponse: users 1, next_page_token 2 (of the latter). */
static bool fill_users(struct text message, struct result *result, struct filler *filler) {
    size_t sessions = filler->has_sessions ? count_inner(message, BYTES(1), BYTES(6)) : 0;
    if (!begin_fill(result, message, count_fields(message, BYTES(1)), sizeof(struct muster_user), sessions,
                    sizeof(struct muster_session), filler))
        return false;
    struct muster_user *user = result->items.data;
    struct muster_users *view = &result->view.users;
    view->items = user;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) {
            fill_user(field.bytes, user++, filler);
        } else if (field.tag == BYTES(2)) {
            view->next_page_token = keep_text(filler, field.bytes);
        }
    }
    view->count = (size_t)(user - view->items);
    filler->is_broken |= reader.is_broken;
    return true;
}

/* Place: user 1, scope 2, and a presence. */
static void fill_place(struct text message, struct muster_place *place, struct filler *filler) {
    const struct muster_session *first = filler->parts;
    struct presence presence = {0};
    *place = (struct muster_place){.user = "", .scope = ""};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) place->user = keep_text(filler, field.bytes);
        else if (field.tag == BYTES(2)) place->scope = keep_text(filler, field.bytes);
        else fill_presence(&field, &presence, filler);
    }
    end_presence(&presence, first, filler);
    place->status = presence.status;
    place->last_seen_ms = presence.last_seen_ms;
    place->session_count = presence.session_count;
    place->sessions = presence.sessions;
    filler->is_broken |= reader.is_broken;
}

/* WhereResponse: places 1, next_page_token 2. */
static bool fill_places(struct text message, struct result *result, struct filler *filler) {
    size_t sessions = filler->has_sessions ? count_inner(message, BYTES(1), BYTES(6)) : 0;
    if (!begin_fill(result, message, count_fields(message, BYTES(1)), sizeof(struct muster_place), sessions,
                    sizeof(struct muster_session), filler))
        return false;
    struct muster_place *place = result->items.data;
    struct muster_places *view = &result->view.places;
    view->items = place;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) fill_place(field.bytes, place++, filler);
        else if (field.tag == BYTES(2)) view->next_page_token = keep_text(filler, field.bytes);
    }
    view->count = (size_t)(place - view->items);
    filler->is_broken |= reader.is_broken;
    return true;
}

/* WindowCount: window_ms 1, users 2, incomplete 3. */
static void fill_window(struct text message, struct filler *filler) {
    struct muster_window *window = filler->parts;
    *window = (struct muster_window){0};
    filler->parts = window + 1;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == NUMBER(1)) window->window_ms = field.value;
        if (field.tag == NUMBER(2)) window->users = field.value;
        if (field.tag == NUMBER(3)) window->is_incomplete = field.value != 0;
    }
    filler->is_broken |= reader.is_broken;
}

/* ScopeCounts: scope 1, live 2, online 3, away 4, busy 5, sessions 6, windows 7, joined_total 8, left_total 9. */
static void fill_scope_counts(struct text message, struct muster_scope_counts *counts, struct filler *filler) {
    const struct muster_window *windows = filler->parts;
    *counts = (struct muster_scope_counts){.scope = "", .windows = windows};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        switch (field.tag) {
        case BYTES(1):
            counts->scope = keep_text(filler, field.bytes);
            break;
        case NUMBER(2):
            counts->live = field.value;
            break;
        case NUMBER(3):
            counts->online = field.value;
            break;
        case NUMBER(4):
            counts->away = field.value;
            break;
        case NUMBER(5):
            counts->busy = field.value;
            break;
        case NUMBER(6):
            counts->sessions = field.value;
            break;
        case BYTES(7):
            if (filler->has_windows) fill_window(field.bytes, filler);
            break;
        case NUMBER(8):
            counts->joined_total = field.value;
            break;
        case NUMBER(9):
            counts->left_total = field.value;
            break;
        }
    }
    counts->window_count = (size_t)((const struct muster_window *)filler->parts - windows);
    filler->is_broken |= reader.is_broken;
}

/* CountsResponse: scopes 1. */
static bool fill_counts(struct text message, struct result *result, struct filler *filler) {
    size_t windows = count_inner(message, BYTES(1), BYTES(7));
    if (!begin_fill(result, message, count_fields(message, BYTES(1)), sizeof(struct muster_scope_counts), windows,
                    sizeof(struct muster_window), filler))
        return false;
    struct muster_scope_counts *counts = result->items.data;
    result->view.counts.items = counts;
    filler->has_windows = true;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) fill_scope_counts(field.bytes, counts++, filler);
    }
    result->view.counts.count = (size_t)(counts - result->view.counts.items);
    filler->is_broken |= reader.is_broken;
    return true;
}

/* ScopeSummary: scope 1, live 2. */
static void fill_scope(struct text message, struct muster_scope *scope, struct filler *filler) {
    *scope = (struct muster_scope){.scope = ""};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) scope->scope = keep_text(filler, field.bytes);
        if (field.tag == NUMBER(2)) scope->live = field.value;
    }
    filler->is_broken |= reader.is_broken;
}

/* ScopesResponse: scopes 1, next_page_token 2. */
static bool fill_scopes(struct text message, struct result *result, struct filler *filler) {
    if (!begin_fill(result, message, count_fields(message, BYTES(1)), sizeof(struct muster_scope), 0, 1, filler))
        return false;
    struct muster_scope *scope = result->items.data;
    struct muster_scopes *view = &result->view.scopes;
    view->items = scope;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) fill_scope(field.bytes, scope++, filler);
        if (field.tag == BYTES(2)) view->next_page_token = keep_text(filler, field.bytes);
    }
    view->count = (size_t)(scope - view->items);
    filler->is_broken |= reader.is_broken;
    return true;
}

static inline enum muster_node_state node_state_of(uint64_t value) {
    return value <= MUSTER_NODE_LEFT ? (enum muster_node_state)value : MUSTER_NODE_UNSPECIFIED;
}

/* Node: name 1, address 2, region 3, state 4, self 5, members 6, lag 7, delay_ms 8, clock_ms 9, silent_ms 10,
 * version 11, trouble 12, refused 13. */
static void fill_node(struct text message, struct muster_node *node, struct filler *filler) {
    *node = (struct muster_node){.name = "", .region = "", .version = "", .address = "", .trouble = ""};
    uint64_t numbers[14] = {0};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if ((field.tag & 7) == PB_VARINT && field.tag >> 3 < 14) numbers[field.tag >> 3] = field.value;
        if (field.tag == BYTES(1)) node->name = keep_text(filler, field.bytes);
        if (field.tag == BYTES(2)) node->address = keep_text(filler, field.bytes);
        if (field.tag == BYTES(3)) node->region = keep_text(filler, field.bytes);
        if (field.tag == BYTES(11)) node->version = keep_text(filler, field.bytes);
        if (field.tag == BYTES(12)) node->trouble = keep_text(filler, field.bytes);
    }
    node->state = node_state_of(numbers[4]);
    node->is_self = numbers[5] != 0;
    node->members = numbers[6];
    node->lag = numbers[7];
    node->delay_ms = numbers[8];
    node->clock_ms = (int64_t)numbers[9];
    node->silent_ms = numbers[10];
    node->refused = numbers[13];
    filler->is_broken |= reader.is_broken;
}

/* NodesResponse: nodes 1. */
static bool fill_nodes(struct text message, struct result *result, struct filler *filler) {
    if (!begin_fill(result, message, count_fields(message, BYTES(1)), sizeof(struct muster_node), 0, 1, filler))
        return false;
    struct muster_node *node = result->items.data;
    result->view.nodes.items = node;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(1)) fill_node(field.bytes, node++, filler);
    }
    result->view.nodes.count = (size_t)(node - result->view.nodes.items);
    filler->is_broken |= reader.is_broken;
    return true;
}

/* How many sessions the users of all changes of a WatchResponse have together. */
static size_t count_changed_sessions(struct text message) {
    struct pb_reader reader = pb_read(message);
    struct pb_field field;
    size_t count = 0;
    while (pb_next(&reader, &field)) {
        if (field.tag == BYTES(5)) count += count_inner(field.bytes, BYTES(3), BYTES(6));
    }
    return count;
}

/* Change: kind 1, reason 2, user 3. */
static void fill_change(struct text message, struct watch_item *item, struct filler *filler) {
    *item = (struct watch_item){.user = {.user = ""}};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == NUMBER(1)) item->kind = field.value <= WATCH_UPDATED ? (enum watch_kind)field.value : 0;
        if (field.tag == NUMBER(2))
            item->reason = field.value <= MUSTER_REASON_RESET ? (enum muster_left_reason)field.value : 0;
        if (field.tag == BYTES(3)) fill_user(field.bytes, &item->user, filler);
    }
    filler->is_broken |= reader.is_broken;
}

static void fill_watch_scalar(const struct pb_field *field, struct watch_answer *view, struct filler *filler) {
    switch (field->tag) {
    case BYTES(1):
        view->cursor = keep_text(filler, field->bytes);
        view->cursor_len = field->bytes.len;
        return;
    case NUMBER(2):
        view->is_resync = field->value != 0;
        return;
    case NUMBER(3):
        view->has_more = field->value != 0;
        return;
    case BYTES(6):
        fill_scope_counts(field->bytes, &view->counts, filler);
        view->has_counts = true;
        return;
    }
}

/* WatchResponse: cursor 1, resync 2, more 3, present 4, changes 5, counts 6. */
static bool fill_watch(struct text message, struct result *result, struct filler *filler) {
    size_t present = count_fields(message, BYTES(4)), changes = count_fields(message, BYTES(5)), sessions = 0;
    if (filler->has_sessions) sessions = count_inner(message, BYTES(4), BYTES(6)) + count_changed_sessions(message);
    if (!begin_fill(result, message, present + changes, sizeof(struct watch_item), sessions,
                    sizeof(struct muster_session), filler))
        return false;
    struct watch_item *items = result->items.data, *user = items, *change = items + present;
    struct watch_answer *view = &result->view.watch;
    view->items = items;
    view->count = present + changes;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == BYTES(4)) {
            *user = (struct watch_item){.kind = WATCH_PRESENT};
            fill_user(field.bytes, &user++->user, filler);
        } else if (field.tag == BYTES(5)) {
            fill_change(field.bytes, change++, filler);
        } else {
            fill_watch_scalar(&field, view, filler);
        }
    }
    filler->is_broken |= reader.is_broken;
    return true;
}

/* ---- answers without a result object ----------------------------------------------------------------------------- */

/* How many numbers a packed field has: the last byte of each is less than 0x80. */
static size_t count_packed(struct text packed) {
    size_t count = 0;
    for (uint32_t i = 0; i < packed.len; i++) count += (uint8_t)packed.data[i] < 0x80;
    return count;
}

/* The indexes of a packed field, ascending and below `limit`. false: they are not. */
static bool fill_indexes(struct text packed, size_t limit, uint32_t *out) {
    struct pb_reader reader = pb_read(packed);
    for (size_t i = 0; reader.at < reader.end; i++) {
        uint64_t index = pb_read_varint(&reader);
        if (reader.is_broken || index >= limit || (i > 0 && index <= out[i - 1])) return false;
        out[i] = (uint32_t)index;
    }
    return true;
}

/* TouchResponse: joined 1, ttl_ms 2, stamp 3, unknown 4, displaced 5. */
static enum muster_code fill_touched(struct text message, struct answer *answer) {
    struct touched *touched = &answer->small.touched;
    struct text unknown = {0};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == NUMBER(1)) touched->joined = (uint32_t)field.value;
        if (field.tag == NUMBER(2)) touched->ttl_ms = (uint32_t)field.value;
        if (field.tag == NUMBER(3)) touched->stamp = field.value;
        if (field.tag == BYTES(4)) unknown = field.bytes;
        if (field.tag == NUMBER(5)) touched->displaced = (uint32_t)field.value;
    }
    size_t count = count_packed(unknown);
    if (reader.is_broken || count > answer->expected) return MUSTER_INTERNAL;
    touched->unknown_count = (uint32_t)count;
    if (count == 0 || answer->indexes == NULL) return MUSTER_OK;
    if (!block_reserve(answer->indexes, count, sizeof(uint32_t))) return MUSTER_RESOURCE_EXHAUSTED;
    touched->unknown = answer->indexes->data;
    return fill_indexes(unknown, answer->expected, answer->indexes->data) ? MUSTER_OK : MUSTER_INTERNAL;
}

/* LeaveResponse: left 1, stamp 2, unknown 3. ResetResponse: forgotten 1, stamp 2. SetStatusResponse: stamp 1. */
static bool fill_small(struct text message, struct answer *answer) {
    uint64_t numbers[4] = {0};
    size_t unknown = 0;
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if ((field.tag & 7) == PB_VARINT && field.tag >> 3 < 4) numbers[field.tag >> 3] = field.value;
        if (field.tag == BYTES(3)) unknown += count_packed(field.bytes);
    }
    if (reader.is_broken) return false;
    switch (answer->kind) {
    case REPLY_LEAVE:
        answer->small.left = (struct muster_left){(uint32_t)numbers[1], (uint32_t)unknown, numbers[2]};
        break;
    case REPLY_SET_STATUS:
        answer->small.status_set = (struct muster_status_set){numbers[1]};
        break;
    default:
        answer->small.forgotten = (struct muster_forgotten){numbers[1], numbers[2]};
        break;
    }
    return true;
}

/* ---- Reply: code 1, message 2, and one response ------------------------------------------------------------------ */

struct reply {
    int64_t code;
    struct text message, response;
    bool has_response;
};

static bool reply_split(struct text message, enum reply_kind kind, struct reply *out) {
    *out = (struct reply){0};
    struct pb_reader reader = pb_read(message);
    for (struct pb_field field; pb_next(&reader, &field);) {
        if (field.tag == NUMBER(1)) {
            out->code = (int32_t)field.value;
        } else if (field.tag == BYTES(2)) {
            out->message = field.bytes;
        } else if (field.tag == BYTES(kind)) {
            out->response = field.bytes;
            out->has_response = true;
        }
    }
    return !reader.is_broken;
}

static bool fill_result(struct text response, struct answer *answer, struct filler *filler) {
    switch (answer->kind) {
    case REPLY_COUNTS:
        return fill_counts(response, answer->result, filler);
    case REPLY_SCOPES:
        return fill_scopes(response, answer->result, filler);
    case REPLY_NODES:
        return fill_nodes(response, answer->result, filler);
    case REPLY_WATCH:
        return fill_watch(response, answer->result, filler);
    case REPLY_WHERE:
        return fill_places(response, answer->result, filler);
    default:
        return fill_users(response, answer->result, filler);
    }
}

static void answer_clear(struct answer *answer) {
    memset(&answer->small, 0, sizeof answer->small);
    if (answer->result != NULL) result_clear(answer->result, answer->kind);
}

enum muster_code reply_decode(struct text message, struct answer *answer, struct muster_error *error) {
    answer_clear(answer);
    struct reply reply;
    if (!reply_split(message, answer->kind, &reply))
        return client_error_set(error, MUSTER_INTERNAL, "the node's answer does not decode");
    if (reply.code != MUSTER_OK)
        return client_error_answer(error, reply.code, (const char *)reply.message.data, reply.message.len);
    if (!reply.has_response)
        return client_error_set(error, MUSTER_INTERNAL, "the node's answer is not one to this call");
    if (answer->result == NULL) {
        enum muster_code code = MUSTER_INTERNAL;
        if (answer->kind == REPLY_TOUCH) code = fill_touched(reply.response, answer);
        else if (fill_small(reply.response, answer)) code = MUSTER_OK;
        if (code == MUSTER_OK) return client_error_none(error);
        answer_clear(answer);
        if (code != MUSTER_INTERNAL) return client_error_no_memory(error);
        return client_error_set(error, MUSTER_INTERNAL, "the node's answer does not decode");
    }
    struct filler filler = {.has_sessions = answer->has_sessions};
    if (!fill_result(reply.response, answer, &filler)) {
        answer_clear(answer);
        return client_error_no_memory(error);
    }
    size_t count = answer->kind == REPLY_COUNTS ? answer->result->view.counts.count : answer->result->view.users.count;
    bool is_counted = answer->kind == REPLY_LIVE || answer->kind == REPLY_COUNTS;
    if (!filler.is_broken && (!is_counted || count == answer->expected)) return client_error_none(error);
    answer_clear(answer);
    if (filler.is_broken) return client_error_set(error, MUSTER_INTERNAL, "the node's answer does not decode");
    return client_error_set(error, MUSTER_INTERNAL, "the node answered %zu items where %zu were asked for", count,
                            answer->expected);
}
