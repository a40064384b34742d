/* The wall clock of a process under test, shifted by tests/support/wall_shift.c. */
#ifndef MUSTER_TESTS_SUPPORT_WALL_H
#define MUSTER_TESTS_SUPPORT_WALL_H

#include "tempdir.h"

#include <stdbool.h>
#include <stdint.h>

enum { WALL_TEXT_BYTES = 600, WALL_ENVIRONMENT = 4 };

struct wall {
    struct tempdir file;
    char preload[WALL_TEXT_BYTES], shift[WALL_TEXT_BYTES];
    const char *environment[WALL_ENVIRONMENT]; /* for process_options; NULL at the end. Points into this struct. */
};

/* A wall clock that is `shift_ms` wrong; its file is `name` in `dir`, and goes with that. `wall` stays where it is. */
void wall_open(struct wall *wall, const struct tempdir *dir, const char *name, int64_t shift_ms);
/* Steps the wall clock of every process that runs with it, now, and of those that start later. */
void wall_step(struct wall *wall, int64_t shift_ms);

#endif
