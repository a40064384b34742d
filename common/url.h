/* The addresses a node listens on: `tcp://HOST:PORT` and `ipc://PATH`. */
#ifndef MUSTER_COMMON_URL_H
#define MUSTER_COMMON_URL_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum { URL_BYTES = 256 };

enum url_reach {
    REACH_NONE,     /* no URL that a node can listen on */
    REACH_LOOPBACK, /* this machine alone: 127.0.0.0/8, [::1], localhost, ipc */
    REACH_BEYOND,   /* others may reach it */
};

/* *error is written for REACH_NONE: INVALID_ARGUMENT. */
enum url_reach url_reach(const char *url, struct error *error);

/* Whether a host, without a port, is this machine alone. A name other than localhost is not. */
bool url_host_is_loopback(const char *host);
/* Whether a tcp:// URL listens on every address of the machine. */
bool url_is_wildcard(const char *url);
/* The same tcp:// URL with another host. False if it does not fit. */
bool url_with_host(const char *url, const char *host, char out[URL_BYTES]);

#endif
