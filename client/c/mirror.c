/* A mirror: a watch whose users are also in a table that any thread reads. */
#include "client_error.h"
#include "common/monotonic.h"
#include "common/waiting.h"
#include "mirror_table.h"
#include "options.h"
#include "watch.h"

#include <stdlib.h>

struct muster_mirror {
    struct mirror_table table;
    struct muster_watch *watch;
    pthread_mutex_t mutex;
    pthread_cond_t became_whole;
    bool is_whole; /* guarded by the mutex */
};

/* ---- the watch's hooks ------------------------------------------------------------------------------------------- */

static bool mirror_put(void *arg, struct fingerprint fingerprint, enum muster_status status, int64_t last_seen_ms) {
    struct muster_mirror *mirror = arg;
    return mirror_table_put(&mirror->table, fingerprint, status, last_seen_ms);
}

static void mirror_drop(void *arg, struct fingerprint fingerprint, int64_t last_seen_ms) {
    struct muster_mirror *mirror = arg;
    mirror_table_drop(&mirror->table, fingerprint, last_seen_ms);
}

static void mirror_whole(void *arg) {
    struct muster_mirror *mirror = arg;
    pthread_mutex_lock(&mirror->mutex);
    mirror->is_whole = true;
    pthread_cond_broadcast(&mirror->became_whole);
    pthread_mutex_unlock(&mirror->mutex);
}

static void mirror_free(void *arg) {
    struct muster_mirror *mirror = arg;
    mirror_table_free(&mirror->table);
    pthread_cond_destroy(&mirror->became_whole);
    pthread_mutex_destroy(&mirror->mutex);
    free(mirror);
}

static const struct watch_hooks mirror_hooks = {
    .put = mirror_put, .drop = mirror_drop, .whole = mirror_whole, .ended = mirror_free};

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static struct muster_mirror *mirror_new(size_t remember_max) {
    struct muster_mirror *mirror = calloc(1, sizeof *mirror);
    if (mirror == NULL) return NULL;
    if (pthread_mutex_init(&mirror->mutex, NULL) != 0) goto fail_mirror;
    if (!waiting_init(&mirror->became_whole)) goto fail_mutex;
    if (!mirror_table_init(&mirror->table, remember_max)) goto fail_cond;
    return mirror;
fail_cond:
    pthread_cond_destroy(&mirror->became_whole);
fail_mutex:
    pthread_mutex_destroy(&mirror->mutex);
fail_mirror:
    free(mirror);
    return NULL;
}

enum muster_code muster_mirror_open_sized(struct muster_client *client, const struct muster_mirror_options *options,
                                          size_t options_size, struct muster_mirror **mirror,
                                          struct muster_error *error) {
    struct muster_mirror_options known;
    *mirror = NULL;
    enum muster_code code = options_copy(&known, sizeof known, options, options_size, error);
    if (code != MUSTER_OK) return code;
    size_t remember_max = known.remember_max != 0 ? known.remember_max : MUSTER_MIRROR_REMEMBER_DEFAULT;
    struct muster_mirror *made = mirror_new(remember_max);
    if (made == NULL) return client_error_no_memory(error);
    struct muster_watch_options watch_options = {.scope = known.scope,
                                                 .min_interval_ms = known.min_interval_ms,
                                                 .max_wait_ms = known.max_wait_ms,
                                                 .callbacks = known.callbacks,
                                                 .arg = known.arg};
    *mirror = made; /* before the watch's thread may call back */
    code = watch_open(client, &watch_options, &mirror_hooks, made, &made->watch, error);
    if (code == MUSTER_OK) return MUSTER_OK;
    *mirror = NULL;
    mirror_free(made);
    return code;
}

void muster_mirror_close(struct muster_mirror *mirror) {
    if (mirror != NULL) muster_watch_close(mirror->watch);
}

static bool mirror_is_inherited(const struct muster_mirror *mirror) {
    return client_is_inherited(mirror->watch->client);
}

bool muster_mirror_wait(struct muster_mirror *mirror, uint32_t timeout_ms) {
    uint64_t until_ms = monotonic_ms() + timeout_ms;
    if (mirror_is_inherited(mirror)) return false;
    pthread_mutex_lock(&mirror->mutex);
    while (!mirror->is_whole && monotonic_ms() < until_ms)
        waiting_until(&mirror->became_whole, &mirror->mutex, until_ms * 1000);
    bool is_whole = mirror->is_whole;
    pthread_mutex_unlock(&mirror->mutex);
    return is_whole;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static struct fingerprint name_of(const struct muster_mirror *mirror, const char *user) {
    return fingerprint_of(&mirror->watch->key, user, strlen(user));
}

/* In a child of fork(2) nobody is live: the table may have been copied in the middle of a change. */
enum muster_status muster_mirror_status(const struct muster_mirror *mirror, const char *user) {
    if (mirror_is_inherited(mirror)) return MUSTER_STATUS_UNSPECIFIED;
    return mirror_status(&mirror->table, name_of(mirror, user));
}

bool muster_mirror_is_live(const struct muster_mirror *mirror, const char *user) {
    return muster_mirror_status(mirror, user) != MUSTER_STATUS_UNSPECIFIED;
}

int64_t muster_mirror_last_seen(const struct muster_mirror *mirror, const char *user) {
    if (mirror_is_inherited(mirror)) return 0;
    return mirror_last_seen(&mirror->table, name_of(mirror, user));
}

size_t muster_mirror_count(const struct muster_mirror *mirror) {
    if (mirror_is_inherited(mirror)) return 0;
    return mirror_live(&mirror->table);
}

uint64_t muster_mirror_staleness_ms(const struct muster_mirror *mirror) {
    return muster_watch_staleness_ms(mirror->watch);
}

size_t muster_mirror_for_each(struct muster_mirror *mirror, muster_mirror_each *each, void *arg) {
    struct muster_watch *watch = mirror->watch;
    size_t count = 0;
    bool goes_on = true;
    if (mirror_is_inherited(mirror)) return 0;
    pthread_mutex_lock(&watch->mutex);
    for (size_t i = 0; i < watch->known_users.capacity && goes_on; i++) {
        const struct known_user *known = watch->known_users.slots[i].known;
        if (known == NULL) continue;
        count++;
        goes_on = each(arg, known->name, known->status, known->last_seen_ms);
    }
    pthread_mutex_unlock(&watch->mutex);
    return count;
}
