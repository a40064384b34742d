/* The client's decoder of replies: any bytes decode or are refused, and what decodes can be read to its end. */
#include "client/c/reply.h"

#include <stdlib.h>
#include <string.h>

static size_t read_text(const char *text) {
    if (text == NULL) abort();
    return strlen(text);
}

static size_t read_user(const struct muster_user *user) {
    size_t bytes = read_text(user->user);
    for (size_t j = 0; user->sessions != NULL && j < user->session_count; j++) {
        const struct muster_session *session = &user->sessions[j];
        bytes += read_text(session->session);
        if (session->state_len != 0) bytes += ((const char *)session->state)[session->state_len - 1] == 'x';
    }
    return bytes;
}

static size_t read_users(const struct muster_users *users) {
    size_t bytes = read_text(users->next_page_token);
    for (size_t i = 0; i < users->count; i++) bytes += read_user(&users->items[i]);
    return bytes;
}

static size_t read_places(const struct muster_places *places) {
    size_t bytes = read_text(places->next_page_token);
    for (size_t i = 0; i < places->count; i++) {
        const struct muster_place *place = &places->items[i];
        bytes += read_text(place->scope);
        bytes += read_user(&(struct muster_user){
            .user = place->user, .session_count = place->session_count, .sessions = place->sessions});
    }
    return bytes;
}

/* Indexes of the beats that were asked for, ascending. */
static void read_unknown(const struct answer *answer) {
    const struct touched *touched = &answer->small.touched;
    for (uint32_t i = 0; i < touched->unknown_count; i++)
        if (touched->unknown[i] >= answer->expected || (i > 0 && touched->unknown[i] <= touched->unknown[i - 1]))
            abort();
}

static size_t read_watch(const struct watch_answer *watch) {
    size_t bytes = 0;
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->items[i].kind > WATCH_PRESENT || watch->items[i].reason > MUSTER_REASON_RESET) abort();
        bytes += read_user(&watch->items[i].user);
    }
    for (size_t i = 0; i < watch->cursor_len; i++) bytes += watch->cursor[i] == 'x';
    if (watch->has_counts && watch->counts.window_count != 0) abort();
    return bytes + (watch->has_counts ? read_text(watch->counts.scope) : 0);
}

static size_t read_counts(const struct muster_counts *counts) {
    size_t bytes = 0;
    for (size_t i = 0; i < counts->count; i++) {
        bytes += read_text(counts->items[i].scope);
        for (size_t j = 0; j < counts->items[i].window_count; j++) bytes += counts->items[i].windows[j].users == 7;
    }
    return bytes;
}

static size_t read_scopes(const struct muster_scopes *scopes) {
    size_t bytes = read_text(scopes->next_page_token);
    for (size_t i = 0; i < scopes->count; i++) bytes += read_text(scopes->items[i].scope);
    return bytes;
}

static size_t read_nodes(const struct muster_nodes *nodes) {
    size_t bytes = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct muster_node *node = &nodes->items[i];
        bytes += read_text(node->name) + read_text(node->region) + read_text(node->version) + read_text(node->address);
        bytes += read_text(node->trouble);
        bytes += node->state == MUSTER_NODE_LEFT;
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says what was asked, the second how many items, the rest is the reply. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    static const enum reply_kind kinds[] = {REPLY_TOUCH,  REPLY_LEAVE,  REPLY_LIVE,      REPLY_LIST,
                                            REPLY_COUNTS, REPLY_SCOPES, REPLY_RESET,     REPLY_NODES,
                                            REPLY_WATCH,  REPLY_WHERE,  REPLY_SET_STATUS};
    struct block indexes = {0};
    struct answer answer = {.indexes = &indexes,
                            .kind = kinds[data[0] % (sizeof kinds / sizeof kinds[0])],
                            .expected = data[1] % 4,
                            .has_sessions = data[1] >= 128};
    bool has_result = answer.kind != REPLY_TOUCH && answer.kind != REPLY_LEAVE && answer.kind != REPLY_RESET &&
                      answer.kind != REPLY_SET_STATUS;
    if (has_result && (answer.result = result_new()) == NULL) return 0;
    struct muster_error error;
    enum muster_code code =
        reply_decode((struct text){(const char *)(data + 2), (uint32_t)(size - 2)}, &answer, &error);
    if (code != error.code || strlen(error.message) >= sizeof error.message) abort();
    size_t sum = 0;
    if (answer.kind == REPLY_LIVE || answer.kind == REPLY_LIST) sum += read_users(&answer.result->view.users);
    if (answer.kind == REPLY_COUNTS) sum += read_counts(&answer.result->view.counts);
    if (answer.kind == REPLY_NODES) sum += read_nodes(&answer.result->view.nodes);
    if (answer.kind == REPLY_WATCH) sum += read_watch(&answer.result->view.watch);
    if (answer.kind == REPLY_SCOPES) sum += read_scopes(&answer.result->view.scopes);
    if (answer.kind == REPLY_WHERE) sum += read_places(&answer.result->view.places);
    if (answer.kind == REPLY_TOUCH) read_unknown(&answer);
    free(indexes.data);
    result_free(answer.result);
    return sum == SIZE_MAX; /* used, so that nothing of the reading is left out */
}
