#include "command.h"
#include "progress.h"
#include "signals.h"
#include "top_poller.h"
#include "top_screen.h"
#include "values.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INTERVAL_DEFAULT_MS = 1000,
    INTERVAL_MIN_MS = 100,
    INTERVAL_MAX_MS = 60 * 60 * 1000,
    REDRAW_MS = 1000,      /* the age of the sample is redrawn this often */
    STALE_SLACK_MS = 2000, /* a sample is stale when it is older than two intervals and this */
    STOP_GRACE_MS = 200,
};

struct top {
    struct command_input input;
    uint32_t interval_ms;
    struct poller *poller;
    struct view *view;
    struct sample *shown, *base; /* base: an earlier sample, for rates */
    char trouble[POLLER_TROUBLE_BYTES];
};

enum { OPTION_INTERVAL = 1 };

static const struct argp_option options[] = {
    {"interval", OPTION_INTERVAL, "D", 0, "Time between updates, 100ms to 1h (default: 1s)", 0},
    {0},
};

static error_t parse_top(int key, char *argument, struct argp_state *state) {
    struct top *top = state->input;
    switch (key) {
    case OPTION_INTERVAL:
        top->interval_ms = (uint32_t)command_span(state, "--interval", argument, INTERVAL_MIN_MS, INTERVAL_MAX_MS);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A sample taken between two intervals is not used as the base for rates: the time between them would be too short. */
static void take_sample(struct top *top) {
    struct sample *fresh = poller_take(top->poller, top->trouble);
    if (fresh == NULL) return;
    if (top->shown != NULL && fresh->at_ms - top->shown->at_ms >= top->interval_ms / 2) {
        sample_free(top->base);
        top->base = top->shown;
        top->shown = NULL;
    }
    sample_finish(fresh, top->base);
    view_show(top->view, fresh);
    sample_free(top->shown);
    top->shown = fresh;
}

static void draw_top(const struct top *top) {
    const struct poll_status polled = {.now_ms = clock_now_ms(),
                                       .stale_after_ms = (uint64_t)top->interval_ms * 2 + STALE_SLACK_MS,
                                       .trouble = *top->trouble == '\0' ? NULL : top->trouble};
    struct screen_text *screen = screen_text_new(top->view, &polled, screen_width(), screen_height());
    screen_draw(screen);
    screen_text_free(screen);
}

/* Returns whether to continue. */
static bool press_keys(struct top *top) {
    uint32_t key;
    while (screen_key(&key)) {
        const bool was_detail = top->view->detail != NULL;
        if (view_press(top->view, key) == VIEW_QUITS) return false;
        if (was_detail != (top->view->detail != NULL)) poller_set_detail(top->poller, top->view->detail);
    }
    return true;
}

static void run_loop(struct top *top, int signals) {
    for (bool resized = false;;) {
        struct pollfd fds[] = {
            {STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}, {poller_descriptor(top->poller), POLLIN, 0}};
        draw_top(top);
        (void)poll(fds, 3, REDRAW_MS);
        if (signals_take(&resized)) return;
        if (resized) screen_resize();
        take_sample(top);
        /* The terminal is gone. */
        if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return;
        if (!press_keys(top)) return;
    }
}

static int show_top(struct muster_client *client, struct top *top) {
    const int signals = signals_open(true);
    if (!screen_open()) {
        const char *type = getenv("TERM");
        (void)fprintf(stderr, "muster top: the terminal's type is not known: TERM is '%s'\n", type == NULL ? "" : type);
        muster_close(client);
        return STATUS_USAGE;
    }
    top->poller = poller_new(client, top->interval_ms);
    top->view = view_new();
    run_loop(top, signals);
    screen_close();
    signals_let_go();
    /* The poller may wait for an answer that never comes: exit without it. */
    if (!poller_stop(top->poller, STOP_GRACE_MS)) _exit(STATUS_DONE);
    view_free(top->view);
    sample_free(top->shown);
    sample_free(top->base);
    muster_close(client);
    return STATUS_DONE;
}

/* Blocks SIGTSTP in the library's threads: ncurses handles it by drawing, which only this thread may do. */
static int connect_apart(const struct globals *globals, struct muster_client **client) {
    sigset_t drawing, before;
    (void)sigemptyset(&drawing);
    (void)sigaddset(&drawing, SIGTSTP);
    (void)pthread_sigmask(SIG_BLOCK, &drawing, &before);
    const int status = command_connect(globals, client);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static int run_top(struct globals *globals, int argc, char **argv) {
    struct top top = {.input = {globals}, .interval_ms = INTERVAL_DEFAULT_MS};
    command_parse(
        &command_top, options, parse_top,
        "Keys: q quits; n, l, j, e sort by name, live users, joins and leaves a second, r reverses the order; "
        "/ filters by a part of the name; Enter shows the selected scope in detail, Esc goes back; arrows, "
        "Page Up, Page Down, Home and End move.",
        argc, argv, &top);
    if (globals->is_json) command_usage(&command_top, "--json: it draws on a terminal; see `counts' and `watch'");
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1)
        command_usage(&command_top, "it needs a terminal to draw on; see `counts' and `watch'");
    struct muster_client *client;
    const int status = connect_apart(globals, &client);
    return status == STATUS_DONE ? show_top(client, &top) : status;
}

const struct command command_top = {"top", "", "Show scopes and nodes on a terminal, updated continuously", run_top};
