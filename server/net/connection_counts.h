/* How many connections there are, in all and of each address: of one door, or of several that have one limit together.
 * Thread-safe. */
#ifndef MUSTER_NET_CONNECTION_COUNTS_H
#define MUSTER_NET_CONNECTION_COUNTS_H

#include "remote_address.h"

#include <stddef.h>

struct connection_counts;

struct connection_counts *connection_counts_new(void);         /* NULL: memory is short */
void connection_counts_free(struct connection_counts *counts); /* `counts` may be NULL */

enum count_verdict {
    COUNT_TAKEN,        /* it is counted */
    COUNT_ALL_FULL,     /* nothing is counted: there are `max` */
    COUNT_ADDRESS_FULL, /* nothing is counted: its address has `share`, or memory is short */
};

/* Counts one more. ipc:// has no address, and no share. */
enum count_verdict connection_counts_add(struct connection_counts *counts, const struct remote_key *key, size_t max,
                                         size_t share);
void connection_counts_remove(struct connection_counts *counts, const struct remote_key *key);

#endif
