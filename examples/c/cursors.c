/* Everybody's pointer in a room. A complete program.
 *
 *     cursors NODE ROOM USER SECONDS      tcp://127.0.0.1:7700 board:7 ada 10
 *
 * Moves USER's pointer 60 times a second for SECONDS, and prints where the others' are: "bob 120,80", and "bob left".
 * A pointer is the state of the user's session. Whoever watches asks for at most ten answers a second, and then gets
 * each pointer that has moved once, where it is now: a room of fast pointers costs a slow watcher little. It ends with
 * its standard input.
 *
 *     cc cursors.c $(pkg-config --cflags --libs muster) -o cursors */
#include <muster/muster.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOVES_A_SECOND = 60, ANSWERS_A_SECOND = 10 };

static void die(const char *what, const struct muster_error *error) {
    fprintf(stderr, "cursors: %s: %s\n", what, error->message);
    exit(1);
}

/* The callbacks run on the library's thread; arg is the user's own name, whose pointer is known already. */
static void on_pointer(void *arg, const struct muster_user *user) {
    if (strcmp(user->user, arg) == 0) return;
    for (size_t i = 0; i < user->session_count; i++) {
        const struct muster_session *session = &user->sessions[i];
        if (session->state_len == 0) continue;
        printf("%s %.*s\n", user->user, (int)session->state_len, (const char *)session->state);
    }
    fflush(stdout);
}

static void on_left(void *arg, const struct muster_user *user, enum muster_left_reason reason) {
    (void)arg;
    printf("%s %s\n", user->user, reason == MUSTER_REASON_EXPIRED ? "is gone" : "left");
    fflush(stdout);
}

static void on_trouble(void *arg, const struct muster_error *error) {
    (void)arg;
    fprintf(stderr, "cursors: %s\n", error->message);
}

/* Along a line, so that the last place is known: move n is at n,2n. */
static void move(struct muster_keepalive *keepalive, const char *room, const char *user, unsigned number) {
    char place[32];
    struct muster_error error;
    int len = snprintf(place, sizeof place, "%u,%u", number, 2 * number);
    if (muster_keepalive_update(keepalive, room, user, "pointer", MUSTER_STATUS_ONLINE, place, (size_t)len, &error) !=
        MUSTER_OK)
        die("move", &error);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fputs("usage: cursors NODE ROOM USER SECONDS\n", stderr);
        return 2;
    }
    const char *node = argv[1], *room = argv[2], *user = argv[3];
    unsigned moves = (unsigned)strtoul(argv[4], NULL, 10) * MOVES_A_SECOND;

    struct muster_error error;
    struct muster_client *client;
    struct muster_options options = {.addresses = &node, .address_count = 1, .connect_ms = 2000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) die("open", &error);

    struct muster_watch *watch;
    struct muster_watch_options watching = {
        .scope = room,
        .with_sessions = true,
        .min_interval_ms = 1000 / ANSWERS_A_SECOND,
        .callbacks = {.joined = on_pointer, .updated = on_pointer, .left = on_left, .trouble = on_trouble},
        .arg = argv[3]};
    if (muster_watch_open(client, &watching, &watch, &error) != MUSTER_OK) die("watch", &error);

    /* The keepalive tells a move at once; where they come faster than it can tell them, it tells the latest. */
    struct muster_keepalive *keepalive;
    if (muster_keepalive_open(client, NULL, &keepalive, &error) != MUSTER_OK) die("keepalive", &error);
    if (muster_keepalive_add(keepalive, room, user, "pointer", MUSTER_STATUS_ONLINE, "0,0", 3, &error) != MUSTER_OK)
        die("keepalive", &error);
    for (unsigned i = 1; i <= moves; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000000 / MOVES_A_SECOND}, NULL);
        move(keepalive, room, user, i);
    }
    printf("moved %u times\n", moves);
    fflush(stdout);

    while (getchar() != EOF) continue;

    if (muster_keepalive_close(keepalive, true, &error) != MUSTER_OK) die("leave", &error);
    muster_watch_close(watch);
    muster_close(client);
    return 0;
}
