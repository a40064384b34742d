/* What a watch told, as text: "+ada:2 ~ada:3/typing -ada:1 synced counts:3,5 trouble:14", in order. Any thread. */
#ifndef MUSTER_TESTS_JOURNAL_H
#define MUSTER_TESTS_JOURNAL_H

#include "muster/muster.h"

#include <pthread.h>

enum { JOURNAL_BYTES = 64 * 1024 };

struct journal {
    pthread_mutex_t mutex;
    pthread_t thread; /* that told last */
    size_t len, read; /* read: what journal_expect has seen */
    bool has_threads; /* more than one told */
    char text[JOURNAL_BYTES];
};

struct journal *journal_new(void);
void journal_free(struct journal *journal);

/* Callbacks whose arg is a journal. */
struct muster_watch_callbacks journal_callbacks(void);
/* Adds a word. */
void journal_note(struct journal *journal, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits until what was told since the last time is just this; ends the test where it is not after some seconds. */
void journal_expect(struct journal *journal, const char *wanted);
/* How often `word` was told so far. */
size_t journal_count(struct journal *journal, const char *word);

#endif
