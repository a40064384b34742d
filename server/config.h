/* The command line of musterd. */
#ifndef MUSTER_CONFIG_H
#define MUSTER_CONFIG_H

#include "config_cluster.h"
#include "net/rep_door.h"
#include "sys/log.h"

enum { NODE_NAME_BYTES = 64 };

struct options {
    const char *rpc_urls[DOOR_URLS_MAX];
    size_t rpc_url_count;
    char name[NODE_NAME_BYTES];
    uint32_t ttl_ms, tick_ms;
    uint64_t retention_ms, members_max, bytes_max, connections_max, watches_max;
    enum log_format log_format;
    enum log_level log_level;
    bool is_insecure;
    const char *data_dir; /* where snapshots are; NULL: none are written */
    struct cluster_options cluster;
};

/* Reads the command line. Ends the program with status 2 and a sentence on standard error where it is wrong, with 0
 * after --help and --version. The texts live as long as argv. */
struct options options_read(int argc, char **argv);

/* A duration of the command line, least..most ms, for the parsers of its parts. Ends the program as options_read. */
void options_span(struct argp_state *state, const char *name, const char *text, uint64_t least, uint64_t most,
                  uint64_t *out);

#endif
