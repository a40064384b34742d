/* A folder for a test's files. */
#ifndef MUSTER_TESTS_SUPPORT_TEMPDIR_H
#define MUSTER_TESTS_SUPPORT_TEMPDIR_H

#include <stddef.h>

enum { TEMPDIR_PATH_BYTES = 512 };

struct tempdir {
    char path[TEMPDIR_PATH_BYTES]; /* absolute, short enough for the address of a Unix socket where TMPDIR is */
};

/* Makes an empty folder under TMPDIR, or /tmp. Ends the test program if it cannot. */
struct tempdir tempdir_make(void);
/* Removes the folder and all that is in it. Twice is harmless. */
void tempdir_remove(struct tempdir *dir);

/* A path in the folder, for a file that need not exist. */
struct tempdir tempdir_path(const struct tempdir *dir, const char *name);
/* Writes a file into the folder and returns its path. Ends the test program if it cannot. */
struct tempdir tempdir_write(const struct tempdir *dir, const char *name, const void *data, size_t len);
/* All of a file, NUL-terminated, to be freed by the caller; NULL if it cannot be read. *len may be NULL. */
char *tempdir_read(const char *path, size_t *len);

#endif
