/* Where a node listens, as its address says: tcp://HOST:PORT, HOST:PORT, tls+tcp://HOST:PORT or ipc://PATH. Pure. */
#ifndef MUSTER_COMMON_ENDPOINT_H
#define MUSTER_COMMON_ENDPOINT_H

#include "common/error.h"
#include "common/text.h"
#include "common/url.h"

enum { ENDPOINT_ADDRESS_BYTES = URL_BYTES + 8, ENDPOINT_PATH_BYTES = 108, ENDPOINT_PORT_BYTES = 6 };

struct endpoint {
    char address[ENDPOINT_ADDRESS_BYTES]; /* as it was given */
    bool is_ipc, is_tls;
    char host[URL_BYTES]; /* of TCP, without brackets */
    char port[ENDPOINT_PORT_BYTES];
    char path[ENDPOINT_PATH_BYTES]; /* of ipc */
};

/* Reads an address. MUSTER_INVALID_ARGUMENT: *error is a sentence that says what is wrong with it, without naming it.
 */
bool endpoint_parse(struct endpoint *endpoint, struct text address, struct error *error);

/* Takes the next address out of a comma-separated list, without spaces around it. false: there is none. */
bool endpoint_next(struct text *list, struct text *address);

#endif
