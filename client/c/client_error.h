/* Filling a struct muster_error. */
#ifndef MUSTER_CLIENT_CLIENT_ERROR_H
#define MUSTER_CLIENT_CLIENT_ERROR_H

#include "muster/muster.h"

/* Fills *error, unless it is NULL, as something that this library found; returns `code`. */
__attribute__((format(printf, 3, 4))) enum muster_code client_error_set(struct muster_error *error,
                                                                        enum muster_code code, const char *format, ...);
/* Fills *error, unless it is NULL, with what a node answered; `text` is not NUL-terminated. Returns the code, which is
 * MUSTER_UNKNOWN where the node's is none of ours. */
enum muster_code client_error_answer(struct muster_error *error, int64_t code, const char *text, size_t text_len);
/* MUSTER_OK in *error, unless it is NULL; returns it. */
enum muster_code client_error_none(struct muster_error *error);
enum muster_code client_error_no_memory(struct muster_error *error);

#endif
