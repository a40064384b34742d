/* How many connections each address has. Thread-safe. */
#ifndef MUSTER_NET_ADDRESS_COUNTS_H
#define MUSTER_NET_ADDRESS_COUNTS_H

#include "remote_address.h"

#include <stddef.h>

struct address_counts;

struct address_counts *address_counts_new(void);         /* NULL: memory is short */
void address_counts_free(struct address_counts *counts); /* `counts` may be NULL */

/* Counts one more; false, with nothing counted: it has `max`, or memory is short. */
bool address_counts_add(struct address_counts *counts, const struct remote_key *key, size_t max);
void address_counts_remove(struct address_counts *counts, const struct remote_key *key);

#endif
