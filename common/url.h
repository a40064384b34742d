/* The addresses a node listens on: `tcp://HOST:PORT`, `tls+tcp://HOST:PORT` and `ipc://PATH`. */
#ifndef MUSTER_COMMON_URL_H
#define MUSTER_COMMON_URL_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum { URL_BYTES = 256 };

enum url_reach {
    REACH_NONE,     /* not a URL that a node can listen on */
    REACH_LOOPBACK, /* only this machine can connect: 127.0.0.0/8, [::1], localhost, ipc */
    REACH_BEYOND,   /* other machines may connect */
};

/* What follows tcp:// or tls+tcp://; NULL: the URL begins with neither. */
const char *url_authority(const char *url);
/* Whether it begins with tls+tcp://. */
bool url_is_tls(const char *url);

/* Who can connect to what listens on `url`. *error is written for REACH_NONE: INVALID_ARGUMENT. */
enum url_reach url_reach(const char *url, struct error *error);

/* Splits HOST:PORT. HOST may be [V6], * or empty; it is written without brackets. *port points into `authority`. False:
 * it is not of that form. */
bool url_split(const char *authority, char host[URL_BYTES], const char **port);
/* Whether a host, without a port, is an address of the loopback, or "localhost". Other names are not looked up. */
bool url_host_is_loopback(const char *host);
/* Whether a tcp:// URL names every address of the machine: *, 0.0.0.0, [::] or no host. */
bool url_is_wildcard(const char *url);
/* Writes the tcp:// URL with another host, without brackets. False: it does not fit, or `url` is not one. */
bool url_with_host(const char *url, const char *host, char out[URL_BYTES]);

#endif
