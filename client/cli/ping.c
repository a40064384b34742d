/* Whether nodes answer, and how fast. Each address is asked by a client of its own, so that none stands in for another.
 */
#include "command.h"
#include "common/monotonic.h"
#include "memory.h"
#include "rows.h"
#include "table.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_COUNT = 1, COUNT_MAX = 1000000, US_A_MS = 1000 };

struct ping {
    struct command_input input;
    uint64_t count;
};

static const struct argp_option options[] = {
    {"count", OPTION_COUNT, "N", 0, "Ask each node N times, one call after the other, and show the median (default: 1)",
     0},
    {0},
};

static error_t parse_ping(int key, char *argument, struct argp_state *state) {
    struct ping *ping = state->input;
    switch (key) {
    case OPTION_COUNT:
        ping->count = command_number(state, "--count", argument, 1, COUNT_MAX);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'; nodes are named with --to", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What a node answered. */
struct pong {
    const char *address;
    struct muster_nodes *nodes; /* itself first */
    uint64_t median_us;
};

static int compare_us(const void *a, const void *b) {
    const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

static int ask(const struct ping *ping, struct pong *pong) {
    struct muster_client *client;
    struct muster_error error;
    int status = command_connect_to(ping->input.globals, &pong->address, 1, &client);
    if (status != STATUS_DONE) return status;
    uint64_t *took_us = memory_grow(NULL, ping->count, sizeof *took_us);
    for (uint64_t i = 0; i < ping->count && status == STATUS_DONE; i++) {
        const uint64_t begun_us = monotonic_us();
        if (muster_nodes(client, &pong->nodes, &error) != MUSTER_OK) status = command_report(&error, pong->address);
        took_us[i] = monotonic_us() - begun_us;
    }
    qsort(took_us, ping->count, sizeof *took_us, compare_us);
    pong->median_us = took_us[ping->count / 2];
    free(took_us);
    muster_close(client);
    return status;
}

static void print_json(const struct pong *pong, const struct muster_node *node) {
    json_print(json_pack("{s:o, s:s, s:I}", "address", json_text(pong->address, strlen(pong->address)), "state",
                         value_node_state_name(node->state), "time_us", (json_int_t)pong->median_us));
}

static void print_row(struct table *table, const struct pong *pong, const struct muster_node *node) {
    char took[32];
    (void)snprintf(took, sizeof took, "%" PRIu64 ".%03" PRIu64 "ms", pong->median_us / US_A_MS,
                   pong->median_us % US_A_MS);
    table_string(table, pong->address);
    table_string(table, *node->name == '\0' ? "-" : node->name);
    table_string(table, value_node_state_name(node->state));
    table_string(table, took);
}

/* Every node is asked, also after one that does not answer; the status is that of the first that did not. */
static int ping_all(const struct ping *ping) {
    static const struct table_column columns[] = {{"ADDRESS", 'l'}, {"NAME", 'l'}, {"STATE", 'l'}, {"TIME", 'r'}};
    const struct globals *globals = ping->input.globals;
    const char *const *addresses;
    const size_t count = command_addresses(globals, &addresses);
    struct table *table = globals->is_json ? NULL : table_new(stdout, columns, sizeof columns / sizeof columns[0]);
    int worst = STATUS_DONE;
    for (size_t i = 0; i < count; i++) {
        struct pong pong = {.address = addresses[i]};
        const int status = ask(ping, &pong);
        if (worst == STATUS_DONE) worst = status;
        if (status == STATUS_DONE && globals->is_json) print_json(&pong, &pong.nodes->items[0]);
        else if (status == STATUS_DONE) print_row(table, &pong, &pong.nodes->items[0]);
        muster_nodes_free(pong.nodes);
    }
    if (worst == STATUS_DONE) table_finish(table);
    else table_break_off(table);
    return worst;
}

static int run_ping(struct globals *globals, int argc, char **argv) {
    struct ping ping = {.input = {globals}, .count = 1};
    command_parse(&command_ping, options, parse_ping,
                  "Each address is asked by itself. Exit status 0 if every one answers, 3 if one does not.", argc, argv,
                  &ping);
    return ping_all(&ping);
}

const struct command command_ping = {"ping", "", "Show whether nodes answer, and how fast", run_ping};
