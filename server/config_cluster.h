/* The part of musterd's command line that is about its cluster. */
#ifndef MUSTER_CONFIG_CLUSTER_H
#define MUSTER_CONFIG_CLUSTER_H

#include "peers/seeds.h"

#include <argp.h>

struct cluster_options {
    bool is_wanted; /* any flag that asks for peers; else no door is opened for them */
    const char *gossip_url, *sync_url;
    const char *advertised_host; /* NULL: as it is listened on, or found out */
    const char *key_file;        /* NULL: none */
    const char *region;
    uint64_t flush_ms, join_timeout_ms;
    struct seed seeds[SEEDS_MAX];
    size_t seed_count;
};

struct cluster_options cluster_options_default(void);
/* Its input is a struct cluster_options; a child of the parser of the whole command line. */
extern const struct argp cluster_options_parser;

/* Ends the program with status 2 and a sentence where strangers could join, or peers could not reach this node. */
void cluster_options_check(const struct cluster_options *options, const char *program);

#endif
