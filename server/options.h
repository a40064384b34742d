/* The command line of musterd. */
#ifndef MUSTER_OPTIONS_H
#define MUSTER_OPTIONS_H

#include "net/log.h"
#include "net/rep_door.h"

enum { NODE_NAME_BYTES = 64 };

struct options {
    const char *rpc_urls[DOOR_URLS_MAX];
    size_t rpc_url_count;
    char name[NODE_NAME_BYTES];
    uint32_t ttl_ms, tick_ms;
    uint64_t retention_ms, members_max, bytes_max, connections_max;
    enum log_format log_format;
    enum log_level log_level;
    bool is_insecure;
};

/* Reads the command line. Ends the program with status 2 and a sentence on standard error where it is wrong, with 0
 * after --help and --version. The texts live as long as argv. */
struct options options_read(int argc, char **argv);

#endif
