/* One way to report why something failed: a code for programs and a sentence for people.
 *
 * A function that can fail in several ways takes a `struct error *` as its last argument, which is never NULL, and
 * writes it only when it fails. The sentence has no trailing full stop and does not repeat what the caller knows (a
 * path, a flag's name): the caller puts that before it with error_prefix. */
#ifndef MUSTER_COMMON_ERROR_H
#define MUSTER_COMMON_ERROR_H

#include "muster/codes.h"

#include <stdbool.h>

enum { ERROR_TEXT_BYTES = 512 };

struct error {
    enum muster_code code;
    char text[ERROR_TEXT_BYTES]; /* NUL-terminated; a longer sentence is cut */
};

/* Sets both. Returns false, so that a function that fails can return it. errno is kept. */
__attribute__((format(printf, 3, 4))) bool error_fail(struct error *error, enum muster_code code, const char *format,
                                                      ...);
/* Memory is short: MUSTER_RESOURCE_EXHAUSTED, "out of memory". Returns false. */
bool error_fail_memory(struct error *error);
/* A system call failed with this errno; MUSTER_INTERNAL, and what strerror says. Returns false. */
bool error_fail_errno(struct error *error, int number);
/* Puts "PREFIX: " before the text, and keeps the code. Returns false. */
__attribute__((format(printf, 2, 3))) bool error_prefix(struct error *error, const char *format, ...);

#endif
