/* Names, each kept once and numbered as they come. One thread. Ends the program where memory is short. */
#ifndef MUSTER_CLI_USER_NAMES_H
#define MUSTER_CLI_USER_NAMES_H

#include "common/text.h"

#include <stdint.h>

struct user_names;

struct user_names *user_names_new(void);
void user_names_free(struct user_names *names);

/* The number of a name, from 0; a new name takes the next, and is copied. Cost O(length) expected, whatever the names:
 * they come from a log that strangers write, so the table's hash is keyed with a random key. */
uint32_t user_names_number(struct user_names *names, struct text name);

/* The name of a number, NUL-terminated; valid until user_names_free. */
struct text user_names_text(const struct user_names *names, uint32_t number);

uint32_t user_names_count(const struct user_names *names);

#endif
