#include "journal.h"

#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

struct journal *journal_new(void) {
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) abort();
    pthread_mutex_init(&journal->mutex, NULL);
    return journal;
}

void journal_free(struct journal *journal) {
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

void journal_note(struct journal *journal, const char *format, ...) {
    pthread_mutex_lock(&journal->mutex);
    if (journal->len != 0 && !pthread_equal(journal->thread, pthread_self())) journal->has_threads = true;
    journal->thread = pthread_self();
    if (journal->len != 0) journal->text[journal->len++] = ' ';
    va_list arguments;
    va_start(arguments, format);
    journal->len += (size_t)vsnprintf(journal->text + journal->len, JOURNAL_BYTES - journal->len, format, arguments);
    va_end(arguments);
    if (journal->len >= JOURNAL_BYTES - 1) abort();
    pthread_mutex_unlock(&journal->mutex);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static void note_user(struct journal *journal, char sign, const struct muster_user *user, unsigned number) {
    const struct muster_session *session = user->sessions;
    bool has_state = session != NULL && session->state_len != 0;
    journal_note(journal, "%c%s:%u%s%.*s", sign, user->user, number, has_state ? "/" : "",
                 has_state ? (int)session->state_len : 0, has_state ? (const char *)session->state : "");
}

static void on_synced(void *arg) {
    journal_note(arg, "synced");
}

static void on_joined(void *arg, const struct muster_user *user) {
    note_user(arg, user->is_live ? '+' : '!', user, user->status);
}

static void on_left(void *arg, const struct muster_user *user, enum muster_left_reason reason) {
    note_user(arg, user->is_live ? '!' : '-', user, reason);
}

static void on_updated(void *arg, const struct muster_user *user) {
    note_user(arg, user->is_live ? '~' : '!', user, user->status);
}

static void on_counts(void *arg, const struct muster_scope_counts *counts) {
    journal_note(arg, "counts:%llu,%llu", (unsigned long long)counts->live, (unsigned long long)counts->joined_total);
}

static void on_trouble(void *arg, const struct muster_error *error) {
    journal_note(arg, "trouble:%d", (int)error->code);
}

struct muster_watch_callbacks journal_callbacks(void) {
    return (struct muster_watch_callbacks){.synced = on_synced,
                                           .joined = on_joined,
                                           .left = on_left,
                                           .updated = on_updated,
                                           .counts = on_counts,
                                           .trouble = on_trouble};
}

/* ---- expecting --------------------------------------------------------------------------------------------------- */

struct expectation {
    struct journal *journal;
    const char *wanted;
};

/* Whether as much was told as is wanted; what it was is compared once. */
static bool is_as_long(void *context) {
    struct expectation *expectation = context;
    struct journal *journal = expectation->journal;
    pthread_mutex_lock(&journal->mutex);
    size_t skip = journal->read == 0 || expectation->wanted[0] == '\0' ? 0 : 1;
    bool is_there = journal->len >= journal->read + skip + strlen(expectation->wanted);
    pthread_mutex_unlock(&journal->mutex);
    return is_there;
}

void journal_expect(struct journal *journal, const char *wanted) {
    struct expectation expectation = {journal, wanted};
    wait_until(is_as_long, &expectation, PATIENCE_MS);
    pthread_mutex_lock(&journal->mutex);
    size_t skip = journal->read == 0 || journal->len == journal->read ? 0 : 1;
    char told[2048];
    snprintf(told, sizeof told, "%s", journal->text + journal->read + skip);
    journal->read = journal->len;
    pthread_mutex_unlock(&journal->mutex);
    if (strcmp(told, wanted) != 0) fail_msg("told:   %s\nwanted: %s", told, wanted);
}

size_t journal_count(struct journal *journal, const char *word) {
    size_t count = 0, len = strlen(word);
    pthread_mutex_lock(&journal->mutex);
    for (const char *at = journal->text; (at = strstr(at, word)) != NULL; at += len) {
        bool is_start = at == journal->text || at[-1] == ' ', is_end = at[len] == ' ' || at[len] == '\0';
        count += is_start && is_end;
    }
    pthread_mutex_unlock(&journal->mutex);
    return count;
}
