/* A file that holds a secret. */
#ifndef MUSTER_SYS_KEY_FILE_H
#define MUSTER_SYS_KEY_FILE_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads all of a key file into `text`, at most `capacity` bytes. The file must be a regular one, belong to root or to
 * the user that the program runs as, and be closed to group and others; this is checked after it is opened, so that
 * what is checked is what is read. *len: the bytes read; the caller wipes `text` when it is done with it. False: `text`
 * is empty, and *error says what is wrong, without the path. */
bool key_file_read(const char *path, char *text, size_t capacity, size_t *len, struct error *error);

#endif
