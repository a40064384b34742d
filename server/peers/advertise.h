/* The addresses at which peers reach a node, as it announces them. */
#ifndef MUSTER_PEERS_ADVERTISE_H
#define MUSTER_PEERS_ADVERTISE_H

#include "common/url.h"

/* The URL by which peers reach what listens at the tcp:// URL `url`: with `host` where it is not NULL; else, where it
 * listens on every address of the machine, with the first address that is not the loopback's, IPv4 before IPv6; else
 * `url` itself. Returns `out` or `url`. */
const char *advertised_url(const char *url, const char *host, char out[URL_BYTES]);

#endif
