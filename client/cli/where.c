#include "command.h"
#include "memory.h"
#include "rows.h"
#include "user_source.h"

#include <stdlib.h>
#include <string.h>

struct where {
    struct command_input input;
    const char *scope_prefix; /* NULL: all scopes */
    bool with_sessions;
    char **users;
    size_t count;
};

enum { OPTION_PREFIX = 1, OPTION_SESSIONS };

static const struct argp_option options[] = {
    {"prefix", OPTION_PREFIX, "TEXT", 0, "Only scopes whose names begin with this, such as room:", 0},
    {"sessions", OPTION_SESSIONS, 0, 0, "Also show each user's live sessions", 0},
    {0},
};

static error_t parse_where(int key, char *argument, struct argp_state *state) {
    struct where *where = state->input;
    switch (key) {
    case OPTION_PREFIX:
        where->scope_prefix = argument;
        return 0;
    case OPTION_SESSIONS:
        where->with_sessions = true;
        return 0;
    case ARGP_KEY_ARGS:
        where->users = state->argv + state->next;
        where->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no user was given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_places(struct user_rows *rows, const struct muster_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        const struct muster_place *place = &places->items[i];
        const struct muster_user user = {.user = place->user,
                                         .is_live = true,
                                         .status = place->status,
                                         .session_count = place->session_count,
                                         .last_seen_ms = place->last_seen_ms,
                                         .sessions = place->sessions};
        user_rows_scope(rows, place->scope);
        user_rows_print(rows, place->user, &user);
    }
}

/* All pages of a batch of users. from: the origin of the batch for messages. */
static int find_batch(struct muster_client *client, const struct where *where, const char *const *users, size_t count,
                      struct user_rows *rows, const char *from) {
    struct muster_places *page = NULL;
    struct muster_error error;
    char *token = NULL; /* a copy: the next page overwrites the one that contains it */
    int status = STATUS_DONE;
    do {
        const struct muster_where_query query = {.users = users,
                                                 .user_count = count,
                                                 .scope_prefix = where->scope_prefix,
                                                 .page_token = token,
                                                 .with_sessions = where->with_sessions};
        if (muster_where(client, &query, &page, &error) != MUSTER_OK) {
            status = command_report(&error, from);
            break;
        }
        print_places(rows, page);
        free(token);
        token = memory_text(page->next_page_token, strlen(page->next_page_token));
    } while (*token != '\0');
    free(token);
    muster_places_free(page);
    return status;
}

static int find_all(struct muster_client *client, const struct where *where) {
    struct user_source *source = user_source_new(where->users, where->count, MUSTER_WHERE_USERS_MAX, 0);
    struct user_rows *rows = user_rows_new_of_scopes(where->input.globals->is_json, where->with_sessions);
    int status = STATUS_DONE;
    const char *const *users;
    for (size_t count; status == STATUS_DONE && (count = user_source_next(source, &users, &status)) > 0;)
        status = find_batch(client, where, users, count, rows, user_source_where(source));
    user_rows_finish(rows, status);
    user_source_free(source);
    return status;
}

static int run_where(struct globals *globals, int argc, char **argv) {
    struct where where = {.input = {globals}};
    command_parse(&command_where, options, parse_where,
                  "Shows a row for each scope in which a user is live; a user who is live nowhere has none. USER `-' "
                  "reads users from standard input, one per line.",
                  argc, argv, &where);
    if (globals->scope != NULL) command_usage(&command_where, "-s is for one scope; --prefix chooses scopes");
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    status = find_all(client, &where);
    muster_close(client);
    return status;
}

const struct command command_where = {"where", "USER...", "Show the scopes in which users are live", run_where};
