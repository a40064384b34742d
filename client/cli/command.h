/* What every command of `muster` shares: global options, statuses, the client, errors. One thread. */
#ifndef MUSTER_CLI_COMMAND_H
#define MUSTER_CLI_COMMAND_H

#include "muster/muster.h"

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit statuses, as the manual page has them. */
enum {
    STATUS_DONE = 0,
    STATUS_NOT_LIVE = 1,    /* `live`: a user is not live */
    STATUS_FAILED = 1,      /* a local failure: memory, a broken output; of `live`: STATUS_LIVE_FAILED */
    STATUS_USAGE = 2,       /* the command line is wrong */
    STATUS_UNREACHABLE = 3, /* no node answered */
    STATUS_REFUSED = 4,     /* a node, or the library for it, refused the call */
    STATUS_LIVE_FAILED = 5, /* `live`: a local failure, since 1 is an answer */
};

/* The options that stand before or after the command word. */
struct globals {
    const char *addresses[MUSTER_ADDRESSES_MAX];
    size_t address_count;                    /* 0: none was given */
    const char *token;                       /* NULL: none */
    const char *tls_ca, *tls_cert, *tls_key; /* files; NULL: the library's defaults */
    const char *scope;                       /* NULL: the server's default scope */
    uint32_t timeout_ms;                     /* 0: the library's default */
    bool is_json;
};

struct command {
    const char *name, *arguments, *summary;
    /* Runs the command and returns the exit status. argv[0] is "muster NAME", what follows is the command's own. May
     * end the program if the command line is wrong. */
    int (*run)(struct globals *globals, int argc, char **argv);
};

extern const struct command command_touch, command_leave, command_live, command_list, command_counts, command_scopes,
    command_where, command_nodes, command_reset, command_watch, command_top, command_replay, command_bench,
    command_keygen, command_version, command_ping, command_status;

/* Parses the global options: a child for the argp of `muster` and of every command; its input is struct globals. */
extern const struct argp globals_argp;

/* The input of a command's argp begins with this, so that global options may follow the command word. */
struct command_input {
    struct globals *globals;
};

/* Parses a command's line with its own options and the global ones. `input` begins with struct command_input. Ends the
 * program with STATUS_USAGE if the line is wrong. */
void command_parse(const struct command *command, const struct argp_option *options, argp_parser_t parser,
                   const char *details, int argc, char **argv, void *input);

/* Ends the program with STATUS_USAGE, a message and where to find help. For use in an argp parser and after it. */
_Noreturn void command_usage(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The value of an option: a duration from least_ms to most_ms, and a whole number from `least` to `most`. End the
 * program with STATUS_USAGE and a message in the words of the option, --ttl say, where it is none or out of the range.
 */
uint64_t command_span(const struct argp_state *state, const char *option, const char *text, uint64_t least_ms,
                      uint64_t most_ms);
uint64_t command_number(const struct argp_state *state, const char *option, const char *text, uint64_t least,
                        uint64_t most);

/* The addresses that were given, by --to or $MUSTER_TO, else the default one. *out lives as long as `globals`. */
size_t command_addresses(const struct globals *globals, const char *const **out);

/* Connects to one of these. Returns STATUS_DONE and sets *client, which the caller closes; else prints a message and
 * returns the exit status. */
int command_connect_to(const struct globals *globals, const char *const *addresses, size_t count,
                       struct muster_client **client);
/* The same, to those that were given. */
int command_connect(const struct globals *globals, struct muster_client **client);

/* Prints a failed call to standard error, after `where` (NULL: nothing), and returns its exit status. */
int command_report(const struct muster_error *error, const char *where);

/* The status of a local failure: STATUS_FAILED, or what the command that runs has in its place. */
extern int command_failed;

/* Flushes standard output. Returns `status`, or prints a message, once, and returns command_failed. */
int command_flush(int status);

#endif
