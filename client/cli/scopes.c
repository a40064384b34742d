#include "command.h"
#include "memory.h"
#include "rows.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static error_t parse_scopes(int key, char *argument, struct argp_state *state) {
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    argp_error(state, "unexpected argument '%s'", argument);
    return 0;
}

static void print_scopes(struct table *table, const struct muster_scope *scope) {
    if (table != NULL) {
        table_string(table, scope->scope);
        table_number(table, scope->live);
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "scope", json_text(scope->scope, strlen(scope->scope)));
    json_object_set_new(object, "live", json_integer((json_int_t)scope->live));
    json_print(object);
}

static int list_scopes(struct muster_client *client, struct table *table) {
    struct muster_scopes *page = NULL;
    struct muster_error error;
    char *token = NULL; /* a copy: the next page overwrites the one that contains it */
    int status = STATUS_DONE;
    do {
        if (muster_scopes(client, 0, token, &page, &error) != MUSTER_OK) {
            status = command_report(&error, NULL);
            break;
        }
        for (size_t i = 0; i < page->count; i++) print_scopes(table, &page->items[i]);
        free(token);
        token = memory_text(page->next_page_token, strlen(page->next_page_token));
    } while (*token != '\0');
    free(token);
    muster_scopes_free(page);
    return status;
}

static int run_scopes(struct globals *globals, int argc, char **argv) {
    static const struct table_column columns[] = {{"SCOPE", 'l'}, {"LIVE", 'r'}};
    struct command_input input = {globals};
    command_parse(&command_scopes, NULL, parse_scopes, NULL, argc, argv, &input);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    struct table *table = globals->is_json ? NULL : table_new(stdout, columns, 2);
    status = list_scopes(client, table);
    if (status == STATUS_DONE) table_finish(table);
    else table_break_off(table);
    muster_close(client);
    return status;
}

const struct command command_scopes = {"scopes", "", "List scopes and how many users are live in each", run_scopes};
