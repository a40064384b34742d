#include "command.h"
#include "common/duration.h"
#include "memory.h"
#include "progress.h"
#include "rows.h"
#include "user_source.h"
#include "values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct touch {
    struct command_input input;
    const char *session, *state;
    uint32_t ttl_ms;
    enum muster_status status;
    char **users;
    size_t count;
};

enum { OPTION_SESSION = 1, OPTION_TTL, OPTION_STATUS, OPTION_STATE };

static const struct argp_option options[] = {
    {"session", OPTION_SESSION, "S", 0,
     "Session that is present: a tab, device or socket (default: the unnamed session)", 0},
    {"ttl", OPTION_TTL, "D", 0,
     "How long the session stays live without another touch, 1s to 24h (default: the node's)", 0},
    {"status", OPTION_STATUS, "STATUS", 0, "online, away or busy (default: online)", 0},
    {"state", OPTION_STATE, "TEXT", 0, "State of the session that watchers see, at most 1024 bytes", 0},
    {0},
};

static error_t parse_touch(int key, char *argument, struct argp_state *state) {
    struct touch *touch = state->input;
    switch (key) {
    case OPTION_SESSION:
        touch->session = argument;
        return 0;
    case OPTION_STATE:
        touch->state = argument;
        return 0;
    case OPTION_TTL:
        touch->ttl_ms = (uint32_t)command_span(state, "--ttl", argument, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS);
        return 0;
    case OPTION_STATUS:
        if (!value_status(argument, &touch->status))
            argp_error(state, "--status: '%s' is none of online, away, busy", argument);
        return 0;
    case ARGP_KEY_ARGS:
        touch->users = state->argv + state->next;
        touch->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no user was given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The sum over all batches. */
struct outcome {
    uint64_t users, joined, displaced, stamp;
    uint32_t ttl_ms;
};

static void print_json(const struct outcome *outcome) {
    json_t *object = json_pack("{s:I}", "joined", (json_int_t)outcome->joined);
    if (outcome->displaced > 0) json_object_set_new(object, "displaced", json_integer((json_int_t)outcome->displaced));
    if (outcome->users > 0) {
        json_object_set_new(object, "ttl_ms", json_integer(outcome->ttl_ms));
        json_object_set_new(object, "stamp", json_integer((json_int_t)outcome->stamp));
    }
    json_print(object);
}

/* Without any user there is no TTL in force and no stamp. */
static void print_touched(const struct outcome *outcome, bool is_json) {
    char ttl[DURATION_BYTES];
    if (is_json) {
        print_json(outcome);
        return;
    }
    (void)printf("touched %" PRIu64 ", joined %" PRIu64, outcome->users, outcome->joined);
    if (outcome->displaced > 0) (void)printf(", displaced %" PRIu64, outcome->displaced);
    if (outcome->users > 0) (void)printf(", ttl %s", duration_format(outcome->ttl_ms, ttl));
    (void)printf("\n");
}

static int touch_batch(struct muster_client *client, const struct touch *touch, const char *const *users, size_t count,
                       struct muster_beat *beats, struct outcome *outcome, const char *where) {
    for (size_t i = 0; i < count; i++)
        beats[i] = (struct muster_beat){.user = users[i],
                                        .session = touch->session,
                                        .status = touch->status,
                                        .state = touch->state,
                                        .state_len = touch->state == NULL ? 0 : strlen(touch->state)};
    struct muster_touched touched;
    struct muster_error error;
    const char *scope = touch->input.globals->scope;
    if (muster_touch(client, scope, touch->ttl_ms, beats, count, &touched, &error) != MUSTER_OK)
        return command_report(&error, where);
    outcome->users += count;
    outcome->joined += touched.joined;
    outcome->displaced += touched.displaced;
    outcome->stamp = touched.stamp;
    outcome->ttl_ms = touched.ttl_ms;
    return STATUS_DONE;
}

static size_t length_of(const char *text) {
    return text == NULL ? 0 : strlen(text);
}

static int touch_all(struct muster_client *client, const struct touch *touch) {
    struct user_source *source = user_source_new(touch->users, touch->count, MUSTER_BEATS_MAX,
                                                 length_of(touch->session) + length_of(touch->state));
    struct muster_beat *beats = memory_new(MUSTER_BEATS_MAX * sizeof *beats);
    struct progress progress = progress_start("users touched", 0);
    struct outcome outcome = {0};
    int status = STATUS_DONE;
    const char *const *users;
    for (size_t count; status == STATUS_DONE && (count = user_source_next(source, &users, &status)) > 0;) {
        status = touch_batch(client, touch, users, count, beats, &outcome, user_source_where(source));
        progress_show(&progress, outcome.users);
    }
    progress_end(&progress);
    if (status == STATUS_DONE) print_touched(&outcome, touch->input.globals->is_json);
    free(beats);
    user_source_free(source);
    return status;
}

static int run_touch(struct globals *globals, int argc, char **argv) {
    struct touch touch = {.input = {globals}};
    command_parse(&command_touch, options, parse_touch,
                  "USER `-' reads users from standard input, one per line, and sends them in batches.", argc, argv,
                  &touch);
    struct muster_client *client;
    int status = command_connect(globals, &client);
    if (status != STATUS_DONE) return status;
    status = touch_all(client, &touch);
    muster_close(client);
    return status;
}

const struct command command_touch = {"touch", "USER...", "Report users as present", run_touch};
