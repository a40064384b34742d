#include "command.h"
#include "rows.h"
#include "user_source.h"

/* A user with its sessions takes at most 75 KiB of an answer, so this many always fit the largest message. */
enum { USERS_WITH_SESSIONS_MAX = 12 };

struct live {
    struct command_input input;
    bool with_sessions;
    char **users;
    size_t count;
};

enum { OPTION_SESSIONS = 1 };

static const struct argp_option options[] = {
    {"sessions", OPTION_SESSIONS, 0, 0, "Also show each user's live sessions", 0},
    {0},
};

static error_t parse_live(int key, char *argument, struct argp_state *state) {
    (void)argument;
    struct live *live = state->input;
    switch (key) {
    case OPTION_SESSIONS:
        live->with_sessions = true;
        return 0;
    case ARGP_KEY_ARGS:
        live->users = state->argv + state->next;
        live->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no user was given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int live_all(struct muster_client *client, const struct live *live) {
    const struct globals *globals = live->input.globals;
    const size_t batch_max = live->with_sessions ? USERS_WITH_SESSIONS_MAX : MUSTER_USERS_MAX;
    struct user_source *source = user_source_new(live->users, live->count, batch_max, 0);
    struct user_rows *rows = user_rows_new(globals->is_json, live->with_sessions, globals->scope);
    struct muster_users *answer = NULL;
    struct muster_error error;
    bool all_live = true;
    int status = STATUS_DONE;
    const char *const *users;
    for (size_t count; status == STATUS_DONE && (count = user_source_next(source, &users, &status)) > 0;) {
        if (muster_live(client, globals->scope, users, count, live->with_sessions, &answer, &error) != MUSTER_OK) {
            status = command_report(&error, user_source_where(source));
            break;
        }
        for (size_t i = 0; i < answer->count; i++) {
            user_rows_print(rows, users[i], &answer->items[i]);
            all_live = all_live && answer->items[i].is_live;
        }
    }
    user_rows_finish(rows, status);
    muster_users_free(answer);
    user_source_free(source);
    return status != STATUS_DONE ? status : all_live ? STATUS_DONE : STATUS_NOT_LIVE;
}

static int run_live(struct globals *globals, int argc, char **argv) {
    struct live live = {.input = {globals}};
    command_parse(
        &command_live, options, parse_live,
        "Exit status 0 if all users are live, 1 if not. USER `-' reads users from standard input, one per line.", argc,
        argv, &live);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    status = live_all(client, &live);
    muster_close(client);
    return status;
}

const struct command command_live = {"live", "USER...", "Show whether users are live", run_live};
