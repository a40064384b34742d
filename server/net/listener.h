/* A socket that listens, of a tcp://, tls+tcp:// or ipc:// URL. */
#ifndef MUSTER_NET_LISTENER_H
#define MUSTER_NET_LISTENER_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { LISTENER_BACKLOG = 1024, LISTENER_IPC_MODE = 0660 };

/* Listens on `url`, and writes the URL with the port that the system chose to `out`. The descriptor, not blocking, or
 * -1 with *error, which does not name the URL. A Unix socket that nobody listens on any more is replaced; no other file
 * is touched. */
int listener_open(const char *url, char *out, size_t out_bytes, struct error *error);
/* Closes it; the file of a Unix socket goes with it. */
void listener_close(int fd, const char *url);

/* Sets TCP_NODELAY and keepalive on an accepted connection; nothing for ipc. */
void listener_tune(int fd, bool is_ipc);

#endif
