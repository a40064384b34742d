#include "command.h"
#include "rows.h"
#include "values.h"

#include <string.h>

struct list {
    struct command_input input;
    struct muster_query query;
    uint64_t limit; /* 0: all */
    bool is_recent;
};

enum { OPTION_STATUS = 1, OPTION_LIMIT, OPTION_RECENT, OPTION_SESSIONS };

static const struct argp_option options[] = {
    {"status", OPTION_STATUS, "S", 0,
     "Only users with this status: online, away or busy; several are separated by commas", 0},
    {"limit", OPTION_LIMIT, "N", 0, "List at most N users (default: all)", 0},
    {"recent", OPTION_RECENT, 0, 0, "List the users seen last, newest first, at most 10000", 0},
    {"sessions", OPTION_SESSIONS, 0, 0, "Also show each user's live sessions", 0},
    {0},
};

static void add_statuses(struct list *list, char *names, struct argp_state *state) {
    for (char *name; (name = strsep(&names, ",")) != NULL;) {
        enum muster_status status;
        if (!value_status(name, &status)) argp_error(state, "--status: '%s' is none of online, away, busy", name);
        list->query.statuses |= 1u << status;
    }
}

static error_t parse_list(int key, char *argument, struct argp_state *state) {
    struct list *list = state->input;
    switch (key) {
    case OPTION_STATUS:
        add_statuses(list, argument, state);
        return 0;
    case OPTION_LIMIT:
        list->limit = command_number(state, "--limit", argument, 1, UINT64_MAX);
        return 0;
    case OPTION_RECENT:
        list->is_recent = true;
        return 0;
    case OPTION_SESSIONS:
        list->query.with_sessions = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int list_recent(struct muster_client *client, const struct list *list, struct user_rows *rows) {
    struct muster_users *users = NULL;
    struct muster_error error;
    const enum muster_code code = muster_list(client, &list->query, &users, &error);
    const int status = code == MUSTER_OK ? STATUS_DONE : command_report(&error, NULL);
    for (size_t i = 0; code == MUSTER_OK && i < users->count; i++)
        user_rows_print(rows, users->items[i].user, &users->items[i]);
    muster_users_free(users);
    return status;
}

static int list_walk(struct muster_client *client, const struct list *list, struct user_rows *rows) {
    struct muster_walk *walk;
    struct muster_error error;
    if (muster_walk_open(client, &list->query, &walk, &error) != MUSTER_OK) return command_report(&error, NULL);
    const struct muster_user *user;
    for (uint64_t n = 0; (list->limit == 0 || n < list->limit) && (user = muster_walk_next(walk)) != NULL; n++)
        user_rows_print(rows, user->user, user);
    return muster_walk_close(walk, &error) == MUSTER_OK ? STATUS_DONE : command_report(&error, NULL);
}

static void check_list(struct list *list) {
    if (!list->is_recent) {
        if (list->limit > 0 && list->limit < MUSTER_PAGE_DEFAULT) list->query.page_size = (uint32_t)list->limit;
        return;
    }
    if (list->limit > MUSTER_PAGE_MAX)
        command_usage(&command_list, "--recent shows at most %d users: --limit is more", (int)MUSTER_PAGE_MAX);
    list->query.recent = list->limit == 0 ? MUSTER_PAGE_MAX : (uint32_t)list->limit;
}

static int run_list(struct globals *globals, int argc, char **argv) {
    struct list list = {.input = {globals}};
    command_parse(&command_list, options, parse_list, NULL, argc, argv, &list);
    list.query.scope = globals->scope;
    check_list(&list);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    struct user_rows *rows = user_rows_new(globals->is_json, list.query.with_sessions, globals->scope);
    status = list.is_recent ? list_recent(client, &list, rows) : list_walk(client, &list, rows);
    user_rows_finish(rows, status);
    muster_close(client);
    return status;
}

const struct command command_list = {"list", "", "List live users", run_list};
