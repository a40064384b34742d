#include "top_asker.h"

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

struct asker {
    struct muster_client *client;
    uint32_t interval_ms;
    int wake;
    pthread_t thread;
    /* The thread's: results, reused, and how many windows the node's retention allows. */
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
    char trouble[ASKER_TROUBLE_BYTES];
};

/* ---- one round ----------------------------------------------------------------------------------------------------
 */

static bool must_stop(struct asker *asker) {
    (void)pthread_mutex_lock(&asker->mutex);
    const bool answer = asker->must_stop;
    (void)pthread_mutex_unlock(&asker->mutex);
    return answer;
}

static enum muster_code ask_scopes(struct asker *asker, struct sample *sample, struct muster_error *error) {
    char *token = NULL; /* a copy: the page it came with is overwritten by the next */
    enum muster_code code;
    do {
        code = muster_scopes(asker->client, MUSTER_PAGE_DEFAULT, token, &asker->scopes, error);
        free(token);
        token = NULL;
        if (code != MUSTER_OK) break;
        for (size_t i = 0; i < asker->scopes->count; i++) sample_add_scope(sample, &asker->scopes->items[i]);
        token = memory_text(asker->scopes->next_page_token, strlen(asker->scopes->next_page_token));
    } while (*token != '\0' && !sample->has_more_scopes && !must_stop(asker));
    free(token);
    return code;
}

static enum muster_code ask_counts(struct asker *asker, struct sample *sample, struct muster_error *error) {
    const char *names[MUSTER_COUNTS_SCOPES_MAX];
    for (size_t at = 0, count; at < sample->scope_count && !must_stop(asker); at += count) {
        for (count = 0; count < MUSTER_COUNTS_SCOPES_MAX && at + count < sample->scope_count; count++)
            names[count] = sample->scopes[at + count].name;
        const enum muster_code code = muster_counts(asker->client, names, count, NULL, 0, &asker->counts, error);
        if (code != MUSTER_OK) return code;
        sample_set_counts(sample, at, asker->counts);
    }
    return MUSTER_OK;
}

/* A node refuses a window that is longer than its retention: then the next shorter ones are all there is. */
static enum muster_code ask_detail(struct asker *asker, const char *scope, struct sample *sample,
                                   struct muster_error *error) {
    const struct muster_query query = {.scope = scope, .recent = SAMPLE_USERS_MAX};
    enum muster_code code;
    for (;; asker->window_count--) {
        code = muster_counts(asker->client, &scope, 1, windows_ms, asker->window_count, &asker->counts, error);
        if (code != MUSTER_INVALID_ARGUMENT || asker->window_count == 0) break;
    }
    if (code == MUSTER_OK) code = muster_list(asker->client, &query, &asker->users, error);
    if (code == MUSTER_OK) sample_set_detail(sample, &asker->counts->items[0], asker->users);
    return code;
}

static enum muster_code ask(struct asker *asker, const char *detail, struct sample *sample,
                            struct muster_error *error) {
    enum muster_code code = muster_nodes(asker->client, &asker->nodes, error);
    if (code != MUSTER_OK) return code;
    sample_add_nodes(sample, asker->nodes);
    if (!must_stop(asker)) code = ask_scopes(asker, sample, error);
    sample->at_ms = clock_now_ms();
    if (code == MUSTER_OK && !must_stop(asker)) code = ask_counts(asker, sample, error);
    if (code == MUSTER_OK && detail != NULL && !must_stop(asker)) code = ask_detail(asker, detail, sample, error);
    return code;
}

static void describe(const struct muster_error *error, char out[ASKER_TROUBLE_BYTES]) {
    const bool is_silent =
        !error->is_answer && (error->code == MUSTER_UNAVAILABLE || error->code == MUSTER_DEADLINE_EXCEEDED);
    (void)snprintf(out, ASKER_TROUBLE_BYTES, "%s: %s", is_silent ? "no node answers" : muster_strerror(error->code),
                   error->message);
}

/* ---- the thread ---------------------------------------------------------------------------------------------------
 */

/* Asks one round and says that there is news. */
static void round_of(struct asker *asker, const char *detail) {
    struct sample *sample = sample_new(clock_now_ms());
    struct muster_error error;
    const enum muster_code code = ask(asker, detail, sample, &error);
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&asker->mutex);
    asker->trouble[0] = '\0';
    if (code != MUSTER_OK) {
        describe(&error, asker->trouble);
        sample_free(sample);
    } else {
        sample_free(asker->sample);
        asker->sample = sample;
    }
    (void)pthread_mutex_unlock(&asker->mutex);
    (void)!write(asker->wake, &one, sizeof one);
}

/* Waits until it is at_ms, or there is something to ask or to end at once. Under the mutex. */
static void nap(struct asker *asker, uint64_t at_ms) {
    const struct timespec at = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000};
    while (!asker->must_stop && !asker->must_ask && clock_now_ms() < at_ms)
        (void)pthread_cond_timedwait(&asker->changed, &asker->mutex, &at);
}

static void *run(void *arg) {
    struct asker *asker = arg;
    (void)pthread_mutex_lock(&asker->mutex);
    while (!asker->must_stop) {
        const uint64_t next_ms = clock_now_ms() + asker->interval_ms;
        char *detail = asker->detail == NULL ? NULL : memory_text(asker->detail, strlen(asker->detail));
        asker->must_ask = false;
        (void)pthread_mutex_unlock(&asker->mutex);
        round_of(asker, detail);
        free(detail);
        (void)pthread_mutex_lock(&asker->mutex);
        nap(asker, next_ms);
    }
    asker->has_stopped = true;
    (void)pthread_cond_broadcast(&asker->changed);
    (void)pthread_mutex_unlock(&asker->mutex);
    return NULL;
}

/* Starts the thread with all signals blocked: they are the main thread's. */
static int start(struct asker *asker) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&asker->thread, NULL, run, asker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct asker *asker_new(struct muster_client *client, uint32_t interval_ms) {
    struct asker *asker = memory_new(sizeof *asker);
    pthread_condattr_t attributes;
    asker->client = client;
    asker->interval_ms = interval_ms;
    asker->window_count = WINDOWS;
    asker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (asker->wake < 0 || pthread_mutex_init(&asker->mutex, NULL) != 0 ||
        pthread_cond_init(&asker->changed, &attributes) != 0 || start(asker) != 0) {
        perror("muster");
        exit(1);
    }
    (void)pthread_condattr_destroy(&attributes);
    return asker;
}

static void asker_free(struct asker *asker) {
    muster_nodes_free(asker->nodes);
    muster_scopes_free(asker->scopes);
    muster_counts_free(asker->counts);
    muster_users_free(asker->users);
    sample_free(asker->sample);
    (void)close(asker->wake);
    (void)pthread_cond_destroy(&asker->changed);
    (void)pthread_mutex_destroy(&asker->mutex);
    free(asker->detail);
    free(asker);
}

bool asker_stop(struct asker *asker, uint32_t grace_ms) {
    const uint64_t at_ms = clock_now_ms() + grace_ms;
    const struct timespec at = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000};
    (void)pthread_mutex_lock(&asker->mutex);
    asker->must_stop = true;
    (void)pthread_cond_broadcast(&asker->changed);
    while (!asker->has_stopped && clock_now_ms() < at_ms)
        (void)pthread_cond_timedwait(&asker->changed, &asker->mutex, &at);
    const bool has_stopped = asker->has_stopped;
    (void)pthread_mutex_unlock(&asker->mutex);
    if (!has_stopped) return false;
    (void)pthread_join(asker->thread, NULL);
    asker_free(asker);
    return true;
}

/* ---- for the main thread ------------------------------------------------------------------------------------------
 */

int asker_descriptor(const struct asker *asker) {
    return asker->wake;
}

void asker_set_detail(struct asker *asker, const char *scope) {
    (void)pthread_mutex_lock(&asker->mutex);
    free(asker->detail);
    asker->detail = scope == NULL ? NULL : memory_text(scope, strlen(scope));
    asker->must_ask = scope != NULL;
    (void)pthread_cond_broadcast(&asker->changed);
    (void)pthread_mutex_unlock(&asker->mutex);
}

struct sample *asker_take(struct asker *asker, char trouble[ASKER_TROUBLE_BYTES]) {
    uint64_t wakes;
    (void)!read(asker->wake, &wakes, sizeof wakes);
    (void)pthread_mutex_lock(&asker->mutex);
    struct sample *sample = asker->sample;
    asker->sample = NULL;
    memcpy(trouble, asker->trouble, ASKER_TROUBLE_BYTES);
    (void)pthread_mutex_unlock(&asker->mutex);
    return sample;
}
