/* A set of names, numbered in the order in which they were added. One thread. Ends the program if memory is short. */
#ifndef MUSTER_CLI_USER_NAMES_H
#define MUSTER_CLI_USER_NAMES_H

#include "common/text.h"

#include <stdint.h>

struct user_names;

struct user_names *user_names_new(void);
void user_names_free(struct user_names *names);

/* The number of a name, from 0; a new name is copied and gets the next number. Expected cost O(length) for any names:
 * they come from an untrusted log, so the hash has a random key. */
uint32_t user_names_number(struct user_names *names, struct text name);

/* The name of a number, NUL-terminated; valid until user_names_free. */
struct text user_names_text(const struct user_names *names, uint32_t number);

uint32_t user_names_count(const struct user_names *names);

#endif
