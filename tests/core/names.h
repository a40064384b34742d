/* Pools of names for tests: every name is distinct and says its own index, so that a model can keep arrays. */
#ifndef MUSTER_TESTS_NAMES_H
#define MUSTER_TESTS_NAMES_H

#include "common/text.h"
#include "support/random.h"

#include <stddef.h>
#include <stdint.h>

enum { NAMES_MAX = 62 * 62 * 62 * 62, NAMES_NONE = -1 };

struct names {
    struct text *items;
    char *bytes;
    size_t count;
};

/* `count` (≤ NAMES_MAX) names of all lengths from 1 to MUSTER_ID_BYTES_MAX; the lengths around which ids are kept in
 * other ways come often. with_empty: the first one is the empty name. names_free frees them. */
struct names names_make(struct random *random, size_t count, bool with_empty);
/* The same, all of `len` (≥ 4) bytes. */
struct names names_make_of_len(struct random *random, size_t count, uint32_t len);
void names_free(struct names *names);

/* The index of a name; NAMES_NONE if it is not in the pool. */
int64_t names_find(const struct names *names, struct text name);

#endif
