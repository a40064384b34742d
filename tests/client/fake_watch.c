#include "fake_watch.h"

#include "muster/v1/presence.pb-c.h"
#include "support/wait.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITERS = 4, ANSWERS_MAX = 256, REQUESTS_MAX = 4096, USERS_MAX = 64 };

struct waiter {
    struct fake_watch *node;
    pthread_t thread;
    nng_ctx context;
    nng_aio *aio;
};

struct fake_watch {
    nng_socket socket;
    atomic_int connections;
    unsigned port;
    struct waiter waiters[WAITERS];
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    char *script[ANSWERS_MAX];
    size_t said, answered; /* of the script */
    enum muster_code refusal, calls;
    bool is_stopping;
    char requests[REQUESTS_MAX][FAKE_REQUEST_BYTES];
    size_t asked;
};

static void must(int rv, const char *what) {
    if (rv == 0) return;
    fprintf(stderr, "fake watch: %s: %s\n", what, nng_strerror(rv));
    abort();
}

static ProtobufCBinaryData bytes_of(char *text) {
    return (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
}

/* ---- making an answer -------------------------------------------------------------------------------------------- */

/* Room for all the messages of one answer. */
struct reply_builder {
    Muster__V1__WatchResponse response;
    Muster__V1__User users[USERS_MAX], *present[USERS_MAX];
    Muster__V1__Change changes[USERS_MAX], *changed[USERS_MAX];
    Muster__V1__Session sessions[USERS_MAX], *session_rows[USERS_MAX];
    Muster__V1__ScopeCounts counts;
    char cursor[512];
    size_t used;
    bool is_garbage;
};

/* "NAME:N*N#N/TEXT" into users[used]; returns N of the colon. Cuts the word up. */
static unsigned builder_user(struct reply_builder *builder, char *word) {
    Muster__V1__User *user = &builder->users[builder->used];
    Muster__V1__Session *session = &builder->sessions[builder->used];
    muster__v1__user__init(user);
    muster__v1__session__init(session);
    unsigned colon = 0;
    user->session_count = 1;
    for (char *at = word; (at = strpbrk(at, ":*#/")) != NULL;) {
        char mark = *at;
        *at++ = '\0';
        if (mark == ':') colon = (unsigned)strtoul(at, NULL, 10);
        if (mark == '*') user->session_count = (uint32_t)strtoul(at, NULL, 10);
        if (mark == '#') user->last_seen_ms = strtoll(at, NULL, 10);
        if (mark == '/') {
            session->state = bytes_of(at);
            builder->session_rows[builder->used] = session;
            user->sessions = &builder->session_rows[builder->used];
            user->n_sessions = 1;
            break;
        }
    }
    user->user = bytes_of(word);
    user->live = true;
    return colon;
}

static void builder_item(struct reply_builder *builder, char *word) {
    if (builder->used == USERS_MAX) abort();
    unsigned number = builder_user(builder, word + 1);
    Muster__V1__User *user = &builder->users[builder->used];
    if (word[0] != '-') user->status = number == 0 ? MUSTER__V1__STATUS__STATUS_ONLINE : (Muster__V1__Status)number;
    if (word[0] == '=') {
        builder->present[builder->response.n_present++] = user;
    } else {
        Muster__V1__Change *change = &builder->changes[builder->used];
        muster__v1__change__init(change);
        change->kind = word[0] == '+'   ? MUSTER__V1__CHANGE_KIND__CHANGE_KIND_JOINED
                       : word[0] == '-' ? MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT
                       : word[0] == '~' ? MUSTER__V1__CHANGE_KIND__CHANGE_KIND_UPDATED
                                        : (Muster__V1__ChangeKind)9;
        if (word[0] == '-') change->reason = (Muster__V1__LeaveReason)number;
        user->live = word[0] != '-';
        change->user = user;
        builder->changed[builder->response.n_changes++] = change;
    }
    builder->used++;
}

static void builder_counts(struct reply_builder *builder, const char *numbers) {
    muster__v1__scope_counts__init(&builder->counts);
    char *end;
    builder->counts.live = strtoull(numbers, &end, 10);
    if (*end == ',') builder->counts.joined_total = strtoull(end + 1, NULL, 10);
    builder->response.counts = &builder->counts;
}

static void builder_word(struct reply_builder *builder, char *word) {
    if (strchr("=+-~?", word[0]) != NULL) builder_item(builder, word);
    else if (strncmp(word, "counts:", 7) == 0) builder_counts(builder, word + 7);
    else if (strcmp(word, "resync") == 0) builder->response.resync = true;
    else if (strcmp(word, "more") == 0) builder->response.more = true;
    else if (strcmp(word, "garbage") == 0) builder->is_garbage = true;
    else if (strcmp(word, "nocursor") == 0) builder->cursor[0] = '\0';
    else if (strcmp(word, "bigcursor") == 0) memset(builder->cursor, 'x', MUSTER_CURSOR_BYTES_MAX + 1);
    else abort();
}

static nng_msg *pack(const Muster__V1__Reply *reply) {
    nng_msg *message;
    must(nng_msg_alloc(&message, muster__v1__reply__get_packed_size(reply)), "allocate");
    muster__v1__reply__pack(reply, nng_msg_body(message));
    return message;
}

static nng_msg *scripted(char *script, unsigned port, size_t number) {
    struct reply_builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL) abort();
    muster__v1__watch_response__init(&builder->response);
    builder->response.present = builder->present;
    builder->response.changes = builder->changed;
    snprintf(builder->cursor, sizeof builder->cursor, "%u-%zu", port, number);
    char *rest;
    for (char *word = strtok_r(script, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        builder_word(builder, word);
    builder->response.cursor = bytes_of(builder->cursor);
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_WATCH;
    reply.watch = &builder->response;
    nng_msg *message = pack(&reply);
    if (builder->is_garbage) memset(nng_msg_body(message), 0xff, nng_msg_len(message));
    free(builder);
    return message;
}

static nng_msg *refused(enum muster_code code) {
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    char text[] = "the fake node was told to refuse";
    reply.code = (int32_t)code;
    reply.message = bytes_of(text);
    return pack(&reply);
}

/* ---- taking requests --------------------------------------------------------------------------------------------- */

static void note_request(struct fake_watch *node, const Muster__V1__WatchRequest *watch) {
    if (node->asked == REQUESTS_MAX) abort();
    char *out = node->requests[node->asked++];
    int at = snprintf(out, FAKE_REQUEST_BYTES, "scope=%.*s cursor=%.*s wait=%u interval=%u", (int)watch->scope.len,
                      (const char *)watch->scope.data, (int)watch->cursor.len, (const char *)watch->cursor.data,
                      watch->max_wait_ms, watch->min_interval_ms);
    for (size_t i = 0; i < watch->n_users; i++)
        at += snprintf(out + at, (size_t)(FAKE_REQUEST_BYTES - at), "%s%.*s", i == 0 ? " users=" : ",",
                       (int)watch->users[i].len, (const char *)watch->users[i].data);
    snprintf(out + at, (size_t)(FAKE_REQUEST_BYTES - at), "%s%s", watch->counts ? " counts" : "",
             watch->sessions ? " sessions" : "");
}

/* Waits until there is an answer. NULL: the node stops. Under the mutex. */
static nng_msg *answer(struct fake_watch *node, const Muster__V1__Call *call) {
    if (call->request_case != MUSTER__V1__CALL__REQUEST_WATCH) return refused(node->calls);
    note_request(node, call->watch);
    while (!node->is_stopping && node->refusal == MUSTER_OK && node->answered == node->said)
        pthread_cond_wait(&node->changed, &node->mutex);
    if (node->is_stopping) return NULL;
    if (node->refusal != MUSTER_OK) return refused(node->refusal);
    node->answered++;
    return scripted(node->script[node->answered - 1], node->port, node->answered);
}

static bool receive(struct waiter *waiter, nng_msg **message) {
    nng_ctx_recv(waiter->context, waiter->aio);
    nng_aio_wait(waiter->aio);
    *message = nng_aio_get_msg(waiter->aio);
    return nng_aio_result(waiter->aio) == 0;
}

static void send(struct waiter *waiter, nng_msg *message) {
    nng_aio_set_msg(waiter->aio, message);
    nng_ctx_send(waiter->context, waiter->aio);
    nng_aio_wait(waiter->aio);
    if (nng_aio_result(waiter->aio) != 0) nng_msg_free(message);
}

static void *serve(void *arg) {
    struct waiter *waiter = arg;
    struct fake_watch *node = waiter->node;
    for (nng_msg *message; receive(waiter, &message);) {
        Muster__V1__Call *call = muster__v1__call__unpack(NULL, nng_msg_len(message), nng_msg_body(message));
        nng_msg_free(message);
        if (call == NULL) abort();
        pthread_mutex_lock(&node->mutex);
        nng_msg *reply = answer(node, call);
        pthread_mutex_unlock(&node->mutex);
        muster__v1__call__free_unpacked(call, NULL);
        if (reply == NULL) break;
        send(waiter, reply);
    }
    return NULL;
}

/* ---- the node ---------------------------------------------------------------------------------------------------- */

static void connected(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    (void)pipe;
    struct fake_watch *node = arg;
    atomic_fetch_add(&node->connections, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

static bool is_alone(void *context) {
    struct fake_watch *node = context;
    return atomic_load(&node->connections) == 0;
}

struct fake_watch *fake_watch_start(const char *url) {
    struct fake_watch *node = calloc(1, sizeof *node);
    if (node == NULL) abort();
    node->calls = MUSTER_UNIMPLEMENTED;
    node->port = (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
    pthread_mutex_init(&node->mutex, NULL);
    pthread_cond_init(&node->changed, NULL);
    must(nng_rep0_open(&node->socket), "open");
    must(nng_pipe_notify(node->socket, NNG_PIPE_EV_REM_POST, connected, node), "notify");
    must(nng_pipe_notify(node->socket, NNG_PIPE_EV_ADD_POST, connected, node), "notify");
    must(nng_listen(node->socket, url, NULL, 0), url);
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *waiter = &node->waiters[i];
        waiter->node = node;
        must(nng_ctx_open(&waiter->context, node->socket), "context");
        must(nng_aio_alloc(&waiter->aio, NULL, NULL), "aio");
        must(pthread_create(&waiter->thread, NULL, serve, waiter), "thread");
    }
    return node;
}

void fake_watch_stop(struct fake_watch *node) {
    if (node == NULL) return;
    pthread_mutex_lock(&node->mutex);
    node->is_stopping = true;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
    wait_until(is_alone, node, 100); /* see fake_node_stop */
    nng_close(node->socket);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(node->waiters[i].thread, NULL);
        nng_aio_free(node->waiters[i].aio);
    }
    for (size_t i = 0; i < node->said; i++) free(node->script[i]);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->mutex);
    free(node);
}

void fake_watch_say(struct fake_watch *node, const char *script) {
    pthread_mutex_lock(&node->mutex);
    if (node->said == ANSWERS_MAX) abort();
    node->script[node->said++] = strdup(script);
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

void fake_watch_refuse(struct fake_watch *node, enum muster_code code) {
    pthread_mutex_lock(&node->mutex);
    node->refusal = code;
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

void fake_watch_answer_calls(struct fake_watch *node, enum muster_code code) {
    pthread_mutex_lock(&node->mutex);
    node->calls = code;
    pthread_mutex_unlock(&node->mutex);
}

bool fake_watch_is_connected(struct fake_watch *node) {
    return atomic_load(&node->connections) != 0;
}

size_t fake_watch_asked(struct fake_watch *node) {
    pthread_mutex_lock(&node->mutex);
    size_t asked = node->asked;
    pthread_mutex_unlock(&node->mutex);
    return asked;
}

void fake_watch_request(struct fake_watch *node, size_t n, char out[FAKE_REQUEST_BYTES]) {
    out[0] = '\0';
    pthread_mutex_lock(&node->mutex);
    if (node->asked != 0) memcpy(out, node->requests[n < node->asked ? n : node->asked - 1], FAKE_REQUEST_BYTES);
    pthread_mutex_unlock(&node->mutex);
}
