/* A file that holds a secret. */
#ifndef MUSTER_SYS_KEY_FILE_H
#define MUSTER_SYS_KEY_FILE_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the whole of a key file: at most `capacity` bytes (a caller's KEYRING_FILE_BYTES_MAX). The file must be a
 * regular one, belong to the user that the program runs as or to root, and be closed to group and others. It is looked
 * at after it was opened, so that what is checked is what is read. *len: how many bytes; the caller wipes `text` when
 * it is done. false: nothing is in `text`, and *error says what is wrong, without the path. */
bool key_file_read(const char *path, char *text, size_t capacity, size_t *len, struct error *error);

#endif
