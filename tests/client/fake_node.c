#include "fake_node.h"

#include "common/random.h"
#include "fake_socket.h"
#include "muster/v1/presence.pb-c.h"
#include "support/wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_node {
    struct fake_socket *socket;
    pthread_mutex_t mutex; /* guards all below */
    enum fake_behaviour behaviour;
    enum muster_code code;
    uint32_t ttl_ms;
    size_t pages, page_users;
    char refused[64], token[64];
    unsigned refuse_next;
    enum muster_code next_code;
    uint64_t chance; /* 0: no faults */
    size_t requests;
    bool is_forgetful;
    size_t forgotten; /* entries of the journal, where is_forgetful */
    struct fake_entry *journal;
    size_t journal_count, journal_capacity;
};

static _Atomic(uint64_t) entries; /* of all fake nodes */

/* An answer; no data: none. */
struct packed {
    uint8_t *data;
    size_t len;
};

static void copy_bytes(char *out, size_t size, ProtobufCBinaryData bytes) {
    size_t len = bytes.len < size ? bytes.len : size - 1;
    if (len != 0) memcpy(out, bytes.data, len);
    out[len] = '\0';
}

static ProtobufCBinaryData bytes_of(char *text) {
    return (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

static struct fake_entry *journal_next(struct fake_node *node) {
    if (node->journal_count == node->journal_capacity) {
        node->journal_capacity = node->journal_capacity == 0 ? 64 : 2 * node->journal_capacity;
        node->journal = realloc(node->journal, node->journal_capacity * sizeof *node->journal);
        if (node->journal == NULL) abort();
    }
    struct fake_entry *entry = &node->journal[node->journal_count++];
    *entry =
        (struct fake_entry){.at_ms = wait_now_ms(), .order = atomic_fetch_add(&entries, 1), .request = node->requests};
    return entry;
}

static void note_touch(struct fake_node *node, const Muster__V1__TouchRequest *touch) {
    for (size_t i = 0; i < touch->n_beats; i++) {
        const Muster__V1__Beat *beat = touch->beats[i];
        struct fake_entry *entry = journal_next(node);
        entry->ttl_ms = beat->ttl_ms != 0 ? beat->ttl_ms : touch->ttl_ms;
        entry->is_refresh = beat->refresh != 0;
        entry->status = beat->status;
        entry->state_len = beat->state.len;
        copy_bytes(entry->scope, sizeof entry->scope, beat->scope.len != 0 ? beat->scope : touch->scope);
        copy_bytes(entry->user, sizeof entry->user, beat->user);
        copy_bytes(entry->session, sizeof entry->session, beat->session);
    }
}

static void note_leave(struct fake_node *node, const Muster__V1__LeaveRequest *leave) {
    for (size_t i = 0; i < leave->n_departures; i++) {
        const Muster__V1__Departure *departure = leave->departures[i];
        struct fake_entry *entry = journal_next(node);
        entry->is_leave = true;
        entry->linger_ms = leave->linger_ms;
        entry->stamp = leave->stamp;
        copy_bytes(entry->scope, sizeof entry->scope, departure->scope.len != 0 ? departure->scope : leave->scope);
        copy_bytes(entry->user, sizeof entry->user, departure->user);
        copy_bytes(entry->session, sizeof entry->session, departure->session);
    }
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static struct packed pack(const Muster__V1__Reply *reply) {
    struct packed packed = {.len = muster__v1__reply__get_packed_size(reply)};
    if ((packed.data = malloc(packed.len + 1)) == NULL) abort();
    muster__v1__reply__pack(reply, packed.data);
    return packed;
}

static struct packed answer_refused(enum muster_code code) {
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    char text[] = "the fake node was told to refuse";
    reply.code = (int32_t)code;
    reply.message = bytes_of(text);
    return pack(&reply);
}

/* Whether the entry at `at` of the journal, a refresh, is of a session that the node does not know. */
static bool is_unknown(const struct fake_node *node, size_t at) {
    const struct fake_entry *refresh = &node->journal[at];
    for (size_t i = node->forgotten; i < at; i++) {
        const struct fake_entry *entry = &node->journal[i];
        if (!entry->is_refresh && !entry->is_leave && strcmp(entry->user, refresh->user) == 0 &&
            strcmp(entry->scope, refresh->scope) == 0 && strcmp(entry->session, refresh->session) == 0)
            return false;
    }
    return true;
}

static uint32_t *list_unknown(const struct fake_node *node, size_t beats, size_t *count) {
    size_t first = node->journal_count - beats;
    uint32_t *unknown = malloc((beats + 1) * sizeof *unknown);
    if (unknown == NULL) abort();
    for (size_t i = *count = 0; i < beats && node->is_forgetful; i++)
        if (node->journal[first + i].is_refresh && is_unknown(node, first + i)) unknown[(*count)++] = (uint32_t)i;
    return unknown;
}

static struct packed answer_touch(struct fake_node *node, const Muster__V1__TouchRequest *touch) {
    note_touch(node, touch);
    for (size_t i = 0; i < touch->n_beats; i++) {
        ProtobufCBinaryData user = touch->beats[i]->user;
        if (user.len == strlen(node->refused) && memcmp(user.data, node->refused, user.len) == 0)
            return answer_refused(MUSTER_INVALID_ARGUMENT);
    }
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    Muster__V1__TouchResponse touched = MUSTER__V1__TOUCH_RESPONSE__INIT;
    touched.joined = (uint32_t)touch->n_beats;
    touched.ttl_ms = node->ttl_ms;
    touched.stamp = FAKE_STAMP(node->requests);
    touched.unknown = list_unknown(node, touch->n_beats, &touched.n_unknown);
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_TOUCH;
    reply.touch = &touched;
    struct packed packed = pack(&reply);
    free(touched.unknown);
    return packed;
}

static struct packed answer_leave(struct fake_node *node, const Muster__V1__LeaveRequest *leave) {
    note_leave(node, leave);
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    Muster__V1__LeaveResponse left = MUSTER__V1__LEAVE_RESPONSE__INIT;
    left.left = (uint32_t)leave->n_departures;
    left.stamp = FAKE_STAMP(node->requests);
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_LEAVE;
    reply.leave = &left;
    return pack(&reply);
}

static struct packed answer_live(struct fake_node *node, const Muster__V1__LiveRequest *live) {
    size_t count = live->n_users + (node->behaviour == FAKE_MISCOUNTING);
    Muster__V1__User user = MUSTER__V1__USER__INIT;
    Muster__V1__User **users = malloc((count + 1) * sizeof(Muster__V1__User *));
    if (users == NULL) abort();
    user.live = true;
    user.status = MUSTER__V1__STATUS__STATUS_ONLINE;
    for (size_t i = 0; i < count; i++) users[i] = &user;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    Muster__V1__LiveResponse answer = MUSTER__V1__LIVE_RESPONSE__INIT;
    answer.n_users = count;
    answer.users = users;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_LIVE;
    reply.live = &answer;
    struct packed packed = pack(&reply);
    free(users);
    return packed;
}

static struct packed answer_list(struct fake_node *node, const Muster__V1__ListRequest *list) {
    char text[16];
    copy_bytes(text, sizeof text, list->page_token);
    size_t page = strtoul(text, NULL, 10), count = node->page_users;
    Muster__V1__User *users = malloc((count + 1) * sizeof *users), **rows = malloc((count + 1) * sizeof(void *));
    char(*names)[48] = malloc((count + 1) * sizeof *names);
    if (users == NULL || rows == NULL || names == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        muster__v1__user__init(&users[i]);
        snprintf(names[i], sizeof names[i], "p%03zu-u%04zu", page, i);
        users[i].user = bytes_of(names[i]);
        users[i].live = true;
        rows[i] = &users[i];
    }
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    Muster__V1__ListResponse answer = MUSTER__V1__LIST_RESPONSE__INIT;
    answer.n_users = count;
    answer.users = rows;
    snprintf(text, sizeof text, "%zu", page + 1);
    if (page + 1 < node->pages) answer.next_page_token = bytes_of(text);
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_LIST;
    reply.list = &answer;
    struct packed packed = pack(&reply);
    free(users);
    free(rows);
    free(names);
    return packed;
}

static struct packed answer_junk(size_t len) {
    struct packed packed = {malloc(len), len};
    if (packed.data == NULL) abort();
    memset(packed.data, 0xff, len);
    return packed;
}

/* Under the mutex. */
static struct packed answer(struct fake_node *node, const Muster__V1__Call *call) {
    node->requests++;
    copy_bytes(node->token, sizeof node->token, call->token);
    if (node->behaviour == FAKE_SILENT) return (struct packed){0};
    if (node->behaviour == FAKE_GARBAGE) return answer_junk(20);
    if (node->behaviour == FAKE_OVERSIZED) return answer_junk((size_t)2 * MUSTER_MESSAGE_BYTES_MAX);
    if (node->code != MUSTER_OK) return answer_refused(node->code);
    if (node->refuse_next != 0) {
        node->refuse_next--;
        return answer_refused(node->next_code);
    }
    if (node->behaviour == FAKE_ELSEWHERE) {
        Muster__V1__LeaveRequest nobody = MUSTER__V1__LEAVE_REQUEST__INIT;
        return answer_leave(node, &nobody);
    }
    switch (call->request_case) {
    case MUSTER__V1__CALL__REQUEST_TOUCH:
        return answer_touch(node, call->touch);
    case MUSTER__V1__CALL__REQUEST_LEAVE:
        return answer_leave(node, call->leave);
    case MUSTER__V1__CALL__REQUEST_LIVE:
        return answer_live(node, call->live);
    case MUSTER__V1__CALL__REQUEST_LIST:
        return answer_list(node, call->list);
    default:
        return answer_refused(MUSTER_UNIMPLEMENTED);
    }
}

/* ---- the node ---------------------------------------------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_REFUSED, FAULT_LOST, FAULT_DONE_AND_LOST };

/* Under the mutex. */
static enum fault next_fault(struct fake_node *node) {
    if (node->chance == 0) return FAULT_NONE;
    switch (splitmix64_next(&node->chance) % 16) {
    case 0:
        return FAULT_REFUSED;
    case 1:
        return FAULT_LOST;
    case 2:
        return FAULT_DONE_AND_LOST;
    default:
        return FAULT_NONE;
    }
}

static enum fake_outcome serve(void *context, const uint8_t *request, size_t len, uint8_t **reply, size_t *reply_len) {
    struct fake_node *node = context;
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, len, request);
    if (call == NULL) abort();
    pthread_mutex_lock(&node->mutex);
    enum fault fault = next_fault(node);
    struct packed packed = {0};
    if (fault == FAULT_REFUSED) packed = answer_refused(MUSTER_UNAVAILABLE);
    else if (fault != FAULT_LOST) packed = answer(node, call);
    pthread_mutex_unlock(&node->mutex);
    muster__v1__call__free_unpacked(call, NULL);
    *reply = packed.data;
    *reply_len = packed.len;
    if (fault == FAULT_LOST || fault == FAULT_DONE_AND_LOST) return FAKE_CLOSE;
    return packed.data != NULL ? FAKE_REPLY : FAKE_NO_REPLY;
}

struct fake_node *fake_node_start(const char *url) {
    struct fake_node *node = calloc(1, sizeof *node);
    if (node == NULL) abort();
    pthread_mutex_init(&node->mutex, NULL);
    node->ttl_ms = MUSTER_TTL_DEFAULT_MS;
    node->pages = 1;
    node->socket = fake_socket_start(url, serve, node);
    return node;
}

void fake_node_stop(struct fake_node *node) {
    if (node == NULL) return;
    fake_socket_stop(node->socket);
    pthread_mutex_destroy(&node->mutex);
    free(node->journal);
    free(node);
}

void fake_node_set_behaviour(struct fake_node *node, enum fake_behaviour behaviour) {
    pthread_mutex_lock(&node->mutex);
    node->behaviour = behaviour;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_set_code(struct fake_node *node, enum muster_code code) {
    pthread_mutex_lock(&node->mutex);
    node->code = code;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_refuse_next(struct fake_node *node, unsigned count, enum muster_code code) {
    pthread_mutex_lock(&node->mutex);
    node->refuse_next = count;
    node->next_code = code;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_set_faults(struct fake_node *node, uint64_t seed) {
    pthread_mutex_lock(&node->mutex);
    node->chance = seed;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_refuse_user(struct fake_node *node, const char *user) {
    pthread_mutex_lock(&node->mutex);
    snprintf(node->refused, sizeof node->refused, "%s", user == NULL ? "" : user);
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_set_ttl(struct fake_node *node, uint32_t ttl_ms) {
    pthread_mutex_lock(&node->mutex);
    node->ttl_ms = ttl_ms;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_forget(struct fake_node *node) {
    pthread_mutex_lock(&node->mutex);
    node->is_forgetful = true;
    node->forgotten = node->journal_count;
    pthread_mutex_unlock(&node->mutex);
}

void fake_node_set_pages(struct fake_node *node, size_t pages, size_t users) {
    pthread_mutex_lock(&node->mutex);
    node->pages = pages;
    node->page_users = users;
    pthread_mutex_unlock(&node->mutex);
}

size_t fake_node_requests(struct fake_node *node) {
    pthread_mutex_lock(&node->mutex);
    size_t requests = node->requests;
    pthread_mutex_unlock(&node->mutex);
    return requests;
}

struct fake_entry *fake_node_journal(struct fake_node *node, size_t *count) {
    pthread_mutex_lock(&node->mutex);
    *count = node->journal_count;
    struct fake_entry *copy = malloc((*count + 1) * sizeof *copy);
    if (copy == NULL) abort();
    if (*count != 0) memcpy(copy, node->journal, *count * sizeof *copy);
    pthread_mutex_unlock(&node->mutex);
    return copy;
}

char *fake_node_token(struct fake_node *node) {
    pthread_mutex_lock(&node->mutex);
    char *copy = strdup(node->token);
    pthread_mutex_unlock(&node->mutex);
    return copy;
}
