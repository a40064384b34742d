/* The table of options. It serves every way of setting one: the command line reads it now; a file and the environment
 * can use the same rows, since a row says what a value may be and where it goes, and nothing about how it came. The
 * manual (docs/man/musterd.8) is held against it by a test. */
#ifndef MUSTER_CONFIG_OPTION_H
#define MUSTER_CONFIG_OPTION_H

#include "common/error.h"
#include "config.h"

enum option_kind {                      /* the type of the field */
                   OPTION_FLAG,         /* bool; has no value */
                   OPTION_DURATION,     /* uint64_t, in ms */
                   OPTION_NUMBER,       /* uint64_t */
                   OPTION_SIZE,         /* uint64_t, in bytes; KiB, MiB, GiB and TiB are understood */
                   OPTION_CHOICE,       /* unsigned: the place in `choices` */
                   OPTION_TEXT,         /* const char *, of least..most bytes */
                   OPTION_PATH,         /* const char *, not empty */
                   OPTION_LISTENER,     /* const char *, tcp:// alone */
                   OPTION_RPC_LISTENER, /* struct config_urls; may be given again */
                   OPTION_ADDRESS,      /* char[URL_BYTES], the tcp:// URL of a HOST:PORT; empty for "none" */
                   OPTION_PEER,         /* struct config_seeds; may be given again */
};

enum option_group { GROUP_NODE, GROUP_TLS, GROUP_CLUSTER };

struct config_option {
    const char *name;     /* as in --name */
    const char *argument; /* what the manual calls the value; NULL for a flag */
    enum option_kind kind;
    uint64_t least, most;       /* of numbers, spans, sizes and lengths, both included */
    const char *const *choices; /* of OPTION_CHOICE; NULL ends it */
    const char *initial;        /* what it is where it is not given; NULL: zero, false, none */
    const char *computed;       /* for the help: what it is then, where that is no constant; else NULL */
    size_t offset;              /* of the field in struct config */
    const char *help;           /* without range and default, which are added to it */
    enum option_group group;
    bool asks_for_peers; /* the node is one of a cluster where it is given */
};

/* All options, in the order of the manual. *count: how many. Static. */
const struct config_option *config_options(size_t *count);

/* Reads a value and writes its field. `text`: NULL for a flag; must outlive *config. INVALID_ARGUMENT: *error says why,
 * without the option's name. */
bool config_option_set(const struct config_option *option, const char *text, struct config *config,
                       struct error *error);

enum { CONFIG_HELP_BYTES = 512 };
/* The help with range and default: "How often … (10ms to 1s; default 100ms)". Returns `out`. */
const char *config_option_help(const struct config_option *option, char out[CONFIG_HELP_BYTES]);

#endif
