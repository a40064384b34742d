/* Internet addresses in one canonical form. Pure, and safe in every thread. */
#ifndef MUSTER_CLI_ADDRESS_H
#define MUSTER_CLI_ADDRESS_H

#include "common/text.h"

#include <stdbool.h>

enum { ADDRESS_BYTES = 128 };

/* Reads an IPv4 or IPv6 address, the latter in brackets or not, with a port or not (an IPv6 address with a port has
 * brackets), and writes it as inet_ntop(3) does: `2001:DB8:0::1` becomes `2001:db8::1`, the IPv4-mapped
 * `::ffff:192.0.2.1` becomes `192.0.2.1`. The port is dropped; a zone such as `%eth0` is kept. Returns the text in
 * `out`, or one of len 0 if it is no address. */
struct text address_canonical(struct text text, char out[ADDRESS_BYTES]);

/* Whether it could be the name of a host: letters, digits, points, hyphens, underscores, the first a letter or digit.
 */
bool address_is_host_name(struct text text);

/* The first or the last item of a comma-separated list, without blanks around it. */
struct text address_list_item(struct text list, bool is_last);

#endif
