#include "command.h"
#include "memory.h"
#include "progress.h"
#include "rows.h"
#include "user_source.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leave {
    struct command_input input;
    const char *session;
    bool all_sessions;
    uint32_t linger_ms;
    uint64_t stamp;
    char **users;
    size_t count;
};

enum { OPTION_SESSION = 1, OPTION_ALL, OPTION_LINGER, OPTION_STAMP };

static const struct argp_option options[] = {
    {"session", OPTION_SESSION, "S", 0, "Session to end (default: the unnamed session)", 0},
    {"all-sessions", OPTION_ALL, 0, 0, "End every session of the users", 0},
    {"linger", OPTION_LINGER, "D", 0, "Stay live for this long before leaving; a touch in that time cancels the leave",
     0},
    {"stamp", OPTION_STAMP, "N", 0,
     "Stamp of the touch that this leave ends: every node orders the leave after that touch", 0},
    {0},
};

static error_t parse_leave(int key, char *argument, struct argp_state *state) {
    struct leave *leave = state->input;
    switch (key) {
    case OPTION_SESSION:
        leave->session = argument;
        return 0;
    case OPTION_ALL:
        leave->all_sessions = true;
        return 0;
    case OPTION_LINGER:
        leave->linger_ms = (uint32_t)command_span(state, "--linger", argument, 0, MUSTER_LINGER_MAX_MS);
        return 0;
    case OPTION_STAMP:
        if (!value_number(argument, 1, UINT64_MAX, &leave->stamp))
            argp_error(state, "--stamp: '%s' is not the stamp of a touch", argument);
        return 0;
    case ARGP_KEY_ARGS:
        leave->users = state->argv + state->next;
        leave->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no user was given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The sum over all batches. */
struct leaving {
    uint64_t users, left;
    uint64_t unknown;    /* whose session was not live */
    uint64_t still_live; /* of the users of batches that had unknown ones: live in other sessions */
};

static void print_left(const struct leaving *leaving, bool is_json) {
    if (is_json && leaving->unknown > 0)
        json_print(json_pack("{s:I, s:I, s:I}", "left", (json_int_t)leaving->left, "unknown",
                             (json_int_t)leaving->unknown, "still_live", (json_int_t)leaving->still_live));
    else if (is_json) json_print(json_pack("{s:I}", "left", (json_int_t)leaving->left));
    else (void)printf("left %" PRIu64 " of %" PRIu64, leaving->left, leaving->users);
    if (is_json) return;
    if (leaving->unknown > 0) (void)printf("; %" PRIu64 " had no such live session", leaving->unknown);
    if (leaving->still_live > 0)
        (void)printf("; %" PRIu64 " %s still live in other sessions", leaving->still_live,
                     leaving->still_live == 1 ? "is" : "are");
    (void)printf("\n");
}

static int count_still_live(struct muster_client *client, const char *scope, const char *const *users, size_t count,
                            struct leaving *leaving) {
    struct muster_users *answer = NULL;
    struct muster_error error;
    int status = STATUS_DONE;
    if (muster_live(client, scope, users, count, false, &answer, &error) == MUSTER_OK)
        for (size_t i = 0; i < answer->count; i++) leaving->still_live += answer->items[i].is_live;
    else status = command_report(&error, NULL);
    muster_users_free(answer);
    return status;
}

static int leave_batch(struct muster_client *client, const struct leave *leave, const char *const *users, size_t count,
                       struct muster_departure *departures, struct leaving *leaving, const char *where) {
    for (size_t i = 0; i < count; i++)
        departures[i] =
            (struct muster_departure){.user = users[i], .session = leave->session, .all_sessions = leave->all_sessions};
    struct muster_left answer;
    struct muster_error error;
    const char *scope = leave->input.globals->scope;
    if (muster_leave(client, scope, departures, count, leave->linger_ms, leave->stamp, &answer, &error) != MUSTER_OK)
        return command_report(&error, where);
    leaving->users += count;
    leaving->left += answer.left;
    leaving->unknown += answer.unknown;
    /* Whoever lingers is live too. */
    if (answer.unknown == 0 || leave->linger_ms > 0) return STATUS_DONE;
    return count_still_live(client, scope, users, count, leaving);
}

static int leave_all(struct muster_client *client, const struct leave *leave) {
    const size_t extra_bytes = leave->session == NULL ? 0 : strlen(leave->session);
    struct user_source *source = user_source_new(leave->users, leave->count, MUSTER_BEATS_MAX, extra_bytes);
    struct muster_departure *departures = memory_new(MUSTER_BEATS_MAX * sizeof *departures);
    struct progress progress = progress_start("departures sent", 0);
    struct leaving leaving = {0};
    int status = STATUS_DONE;
    const char *const *users;
    for (size_t count; status == STATUS_DONE && (count = user_source_next(source, &users, &status)) > 0;) {
        status = leave_batch(client, leave, users, count, departures, &leaving, user_source_where(source));
        progress_show(&progress, leaving.users);
    }
    progress_end(&progress);
    if (status == STATUS_DONE) print_left(&leaving, leave->input.globals->is_json);
    free(departures);
    user_source_free(source);
    return status;
}

static int run_leave(struct globals *globals, int argc, char **argv) {
    struct leave leave = {.input = {globals}};
    command_parse(&command_leave, options, parse_leave, "USER `-' reads users from standard input, one per line.", argc,
                  argv, &leave);
    if (leave.all_sessions && leave.session != NULL)
        command_usage(&command_leave, "--session and --all-sessions cannot both be given");
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    status = leave_all(client, &leave);
    muster_close(client);
    return status;
}

const struct command command_leave = {"leave", "USER...", "Report users as gone", run_leave};
