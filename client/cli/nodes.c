#include "command.h"
#include "common/duration.h"
#include "rows.h"
#include "table.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static error_t parse_nodes(int key, char *argument, struct argp_state *state) {
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument '%s'", argument);
    return 0;
}

/* Unknown values are left out. */
static void set_text(json_t *object, const char *key, const char *text) {
    if (*text != '\0') json_object_set_new(object, key, json_text(text, strlen(text)));
}

static void print_node_json(const struct muster_node *node) {
    json_t *object = json_object();
    set_text(object, "name", node->name);
    set_text(object, "address", node->address);
    set_text(object, "region", node->region);
    json_object_set_new(object, "state", json_string(value_node_state_name(node->state)));
    json_object_set_new(object, "self", json_boolean(node->is_self));
    json_object_set_new(object, "members", json_integer((json_int_t)node->members));
    json_object_set_new(object, "lag", json_integer((json_int_t)node->lag));
    json_object_set_new(object, "delay_ms", json_integer((json_int_t)node->delay_ms));
    json_object_set_new(object, "clock_ms", json_integer(node->clock_ms));
    json_object_set_new(object, "silent_ms", json_integer((json_int_t)node->silent_ms));
    set_text(object, "version", node->version);
    set_text(object, "trouble", node->trouble);
    if (node->is_self) json_object_set_new(object, "refused", json_integer((json_int_t)node->refused));
    json_print(object);
}

static void cell_or_dash(struct table *table, const char *text) {
    table_string(table, *text == '\0' ? "-" : text);
}

static void print_node_row(struct table *table, const struct muster_node *node, bool shows_trouble) {
    char span[DURATION_BYTES], clock[DURATION_BYTES + 1], state[32];
    uint64_t clock_ms = node->clock_ms < 0 ? -(uint64_t)node->clock_ms : (uint64_t)node->clock_ms;
    (void)snprintf(clock, sizeof clock, "%s%s", node->clock_ms < 0 ? "-" : "", duration_format(clock_ms, span));
    (void)snprintf(state, sizeof state, "%s%s", value_node_state_name(node->state), node->is_self ? " (self)" : "");
    cell_or_dash(table, node->name);
    cell_or_dash(table, node->address);
    cell_or_dash(table, node->region);
    table_string(table, state);
    table_number(table, node->members);
    table_number(table, node->lag);
    table_string(table, duration_format(node->delay_ms, span));
    table_string(table, clock);
    table_string(table, duration_format(node->silent_ms, span));
    cell_or_dash(table, node->version);
    if (shows_trouble) cell_or_dash(table, node->trouble);
}

static void print_all(const struct globals *globals, const struct muster_nodes *nodes) {
    static const struct table_column columns[] = {{"NAME", 'l'},    {"ADDRESS", 'l'}, {"REGION", 'l'}, {"STATE", 'l'},
                                                  {"MEMBERS", 'r'}, {"LAG", 'r'},     {"DELAY", 'r'},  {"CLOCK", 'r'},
                                                  {"SILENT", 'r'},  {"VERSION", 'l'}, {"TROUBLE", 'l'}};
    enum { COLUMNS = sizeof columns / sizeof columns[0] };
    if (globals->is_json) {
        for (size_t i = 0; i < nodes->count; i++) print_node_json(&nodes->items[i]);
        return;
    }
    bool has_trouble = false;
    for (size_t i = 0; i < nodes->count; i++) has_trouble |= *nodes->items[i].trouble != '\0';
    struct table *table = table_new(stdout, columns, has_trouble ? COLUMNS : COLUMNS - 1);
    for (size_t i = 0; i < nodes->count; i++) print_node_row(table, &nodes->items[i], has_trouble);
    table_finish(table);
}

static int run_nodes(struct globals *globals, int argc, char **argv) {
    struct command_input input = {globals};
    command_parse(&command_nodes, NULL, parse_nodes,
                  "Each row is one node as the answering node sees it: itself first, then its peers.", argc, argv,
                  &input);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    struct muster_nodes *nodes = NULL;
    struct muster_error error;
    if (muster_nodes(client, &nodes, &error) == MUSTER_OK) print_all(globals, nodes);
    else status = command_report(&error, NULL);
    muster_nodes_free(nodes);
    muster_close(client);
    return status;
}

const struct command command_nodes = {"nodes", "", "Show the nodes of the cluster", run_nodes};
