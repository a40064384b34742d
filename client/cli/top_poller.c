#include "top_poller.h"
#include "common/waiting.h"

#include "memory.h"
#include "progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { WINDOWS = 4 };
static const uint64_t windows_ms[WINDOWS] = {60 * 1000, 5 * 60 * 1000, 60 * 60 * 1000, 24 * 60 * 60 * 1000};

struct poller {
    struct muster_client *client;
    uint32_t interval_ms;
    int wake;
    pthread_t thread;
    /* Used by the thread only: reused results, and how many windows the node's retention allows. */
    struct muster_nodes *nodes;
    struct muster_scopes *scopes;
    struct muster_counts *counts;
    struct muster_users *users;
    size_t window_count;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    char *detail;
    bool must_ask, must_stop, has_stopped;
    struct sample *sample;
    char trouble[POLLER_TROUBLE_BYTES];
};

/* ---- one round ---- */

static bool must_stop(struct poller *poller) {
    (void)pthread_mutex_lock(&poller->mutex);
    const bool answer = poller->must_stop;
    (void)pthread_mutex_unlock(&poller->mutex);
    return answer;
}

static enum muster_code ask_scopes(struct poller *poller, struct sample *sample, struct muster_error *error) {
    char *token = NULL; /* a copy: the next page overwrites the one that contains it */
    enum muster_code code;
    do {
        code = muster_scopes(poller->client, MUSTER_PAGE_DEFAULT, token, &poller->scopes, error);
        free(token);
        token = NULL;
        if (code != MUSTER_OK) break;
        for (size_t i = 0; i < poller->scopes->count; i++) sample_add_scope(sample, &poller->scopes->items[i]);
        token = memory_text(poller->scopes->next_page_token, strlen(poller->scopes->next_page_token));
    } while (*token != '\0' && !sample->has_more_scopes && !must_stop(poller));
    free(token);
    return code;
}

static enum muster_code ask_counts(struct poller *poller, struct sample *sample, struct muster_error *error) {
    const char *names[MUSTER_COUNTS_SCOPES_MAX];
    for (size_t at = 0, count; at < sample->scope_count && !must_stop(poller); at += count) {
        for (count = 0; count < MUSTER_COUNTS_SCOPES_MAX && at + count < sample->scope_count; count++)
            names[count] = sample->scopes[at + count].name;
        const enum muster_code code = muster_counts(poller->client, names, count, NULL, 0, &poller->counts, error);
        if (code != MUSTER_OK) return code;
        sample_set_counts(sample, at, poller->counts);
    }
    return MUSTER_OK;
}

/* A node refuses a window longer than its retention: retry with shorter windows only. */
static enum muster_code ask_detail(struct poller *poller, const char *scope, struct sample *sample,
                                   struct muster_error *error) {
    const struct muster_query query = {.scope = scope, .recent = SAMPLE_USERS_MAX};
    enum muster_code code;
    for (;; poller->window_count--) {
        code = muster_counts(poller->client, &scope, 1, windows_ms, poller->window_count, &poller->counts, error);
        if (code != MUSTER_INVALID_ARGUMENT || poller->window_count == 0) break;
    }
    if (code == MUSTER_OK) code = muster_list(poller->client, &query, &poller->users, error);
    if (code == MUSTER_OK) sample_set_detail(sample, &poller->counts->items[0], poller->users);
    return code;
}

static enum muster_code poll_round(struct poller *poller, const char *detail, struct sample *sample,
                                   struct muster_error *error) {
    enum muster_code code = muster_nodes(poller->client, &poller->nodes, error);
    if (code != MUSTER_OK) return code;
    sample_add_nodes(sample, poller->nodes);
    if (!must_stop(poller)) code = ask_scopes(poller, sample, error);
    sample->at_ms = clock_now_ms();
    if (code == MUSTER_OK && !must_stop(poller)) code = ask_counts(poller, sample, error);
    if (code == MUSTER_OK && detail != NULL && !must_stop(poller)) code = ask_detail(poller, detail, sample, error);
    return code;
}

static void describe_trouble(const struct muster_error *error, char out[POLLER_TROUBLE_BYTES]) {
    const bool is_silent =
        !error->is_answer && (error->code == MUSTER_UNAVAILABLE || error->code == MUSTER_DEADLINE_EXCEEDED);
    (void)snprintf(out, POLLER_TROUBLE_BYTES, "%s: %s", is_silent ? "no node answers" : muster_strerror(error->code),
                   error->message);
}

/* ---- the thread ---- */

/* Polls once and signals that there is a result. */
static void round_of(struct poller *poller, const char *detail) {
    struct sample *sample = sample_new(clock_now_ms());
    struct muster_error error;
    const enum muster_code code = poll_round(poller, detail, sample, &error);
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&poller->mutex);
    poller->trouble[0] = '\0';
    if (code != MUSTER_OK) {
        describe_trouble(&error, poller->trouble);
        sample_free(sample);
    } else {
        sample_free(poller->sample);
        poller->sample = sample;
    }
    (void)pthread_mutex_unlock(&poller->mutex);
    (void)!write(poller->wake, &one, sizeof one);
}

/* Waits until at_ms, or until there is a detail to request or the thread is to end. Under the mutex. */
static void wait_for_round(struct poller *poller, uint64_t at_ms) {
    while (!poller->must_stop && !poller->must_ask)
        if (!waiting_until(&poller->changed, &poller->mutex, at_ms * 1000)) break;
}

static void *run_poller(void *arg) {
    struct poller *poller = arg;
    (void)pthread_mutex_lock(&poller->mutex);
    while (!poller->must_stop) {
        const uint64_t next_ms = clock_now_ms() + poller->interval_ms;
        char *detail = poller->detail == NULL ? NULL : memory_text(poller->detail, strlen(poller->detail));
        poller->must_ask = false;
        (void)pthread_mutex_unlock(&poller->mutex);
        round_of(poller, detail);
        free(detail);
        (void)pthread_mutex_lock(&poller->mutex);
        wait_for_round(poller, next_ms);
    }
    poller->has_stopped = true;
    (void)pthread_cond_broadcast(&poller->changed);
    (void)pthread_mutex_unlock(&poller->mutex);
    return NULL;
}

/* Starts the thread with all signals blocked: the main thread receives them. */
static int start_poller(struct poller *poller) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&poller->thread, NULL, run_poller, poller);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct poller *poller_new(struct muster_client *client, uint32_t interval_ms) {
    struct poller *poller = memory_new(sizeof *poller);
    poller->client = client;
    poller->interval_ms = interval_ms;
    poller->window_count = WINDOWS;
    poller->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (poller->wake < 0 || pthread_mutex_init(&poller->mutex, NULL) != 0 || !waiting_init(&poller->changed) ||
        start_poller(poller) != 0) {
        perror("muster");
        exit(1);
    }
    return poller;
}

static void poller_free(struct poller *poller) {
    muster_nodes_free(poller->nodes);
    muster_scopes_free(poller->scopes);
    muster_counts_free(poller->counts);
    muster_users_free(poller->users);
    sample_free(poller->sample);
    (void)close(poller->wake);
    (void)pthread_cond_destroy(&poller->changed);
    (void)pthread_mutex_destroy(&poller->mutex);
    free(poller->detail);
    free(poller);
}

bool poller_stop(struct poller *poller, uint32_t grace_ms) {
    const uint64_t at_ms = clock_now_ms() + grace_ms;
    (void)pthread_mutex_lock(&poller->mutex);
    poller->must_stop = true;
    (void)pthread_cond_broadcast(&poller->changed);
    while (!poller->has_stopped)
        if (!waiting_until(&poller->changed, &poller->mutex, at_ms * 1000)) break;
    const bool has_stopped = poller->has_stopped;
    (void)pthread_mutex_unlock(&poller->mutex);
    if (!has_stopped) return false;
    (void)pthread_join(poller->thread, NULL);
    poller_free(poller);
    return true;
}

/* ---- for the main thread ---- */

int poller_descriptor(const struct poller *poller) {
    return poller->wake;
}

void poller_set_detail(struct poller *poller, const char *scope) {
    (void)pthread_mutex_lock(&poller->mutex);
    free(poller->detail);
    poller->detail = scope == NULL ? NULL : memory_text(scope, strlen(scope));
    poller->must_ask = scope != NULL;
    (void)pthread_cond_broadcast(&poller->changed);
    (void)pthread_mutex_unlock(&poller->mutex);
}

struct sample *poller_take(struct poller *poller, char trouble[POLLER_TROUBLE_BYTES]) {
    uint64_t wakes;
    (void)!read(poller->wake, &wakes, sizeof wakes);
    (void)pthread_mutex_lock(&poller->mutex);
    struct sample *sample = poller->sample;
    poller->sample = NULL;
    memcpy(trouble, poller->trouble, POLLER_TROUBLE_BYTES);
    (void)pthread_mutex_unlock(&poller->mutex);
    return sample;
}
