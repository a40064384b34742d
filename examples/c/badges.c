/* Work for those who are there to see it. A complete program.
 *
 *     badges NODE SCOPE      tcp://127.0.0.1:7700 app
 *
 * Reads users from its standard input, one a line, whose badge (their number of unread messages, say) has changed, and
 * refreshes it: which means work, so it is done only for those who are there. Who is there is asked of a mirror, in
 * this program's memory: no request is made, however many names come.
 *
 *     cc badges.c $(pkg-config --cflags --libs muster) -o badges */
#include <muster/muster.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How old the mirror may be before its word is no longer taken for somebody's absence. */
enum { STALE_MS = 30000 };

static void die(const char *what, const struct muster_error *error) {
    fprintf(stderr, "badges: %s: %s\n", what, error->message);
    exit(1);
}

/* Runs on the library's thread. It goes on trying: this is for the log. */
static void on_trouble(void *arg, const struct muster_error *error) {
    (void)arg;
    fprintf(stderr, "badges: %s\n", error->message);
}

/* Stands for a query of the database and a push to the user's devices. */
static void refresh(const char *user) {
    printf("refreshed %s\n", user);
}

/* Whether it can be left undone. Where the mirror has heard nothing for long, nobody is taken to be away. */
static bool is_away(const struct muster_mirror *mirror, const char *user) {
    return !muster_mirror_is_live(mirror, user) && muster_mirror_staleness_ms(mirror) < STALE_MS;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: badges NODE SCOPE\n", stderr);
        return 2;
    }
    const char *node = argv[1], *scope = argv[2];

    struct muster_error error;
    struct muster_client *client;
    struct muster_options options = {.addresses = &node, .address_count = 1, .connect_ms = 2000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) die("open", &error);

    struct muster_mirror *mirror;
    struct muster_mirror_options mirroring = {.scope = scope, .callbacks = {.trouble = on_trouble}};
    if (muster_mirror_open(client, &mirroring, &mirror, &error) != MUSTER_OK) die("mirror", &error);
    if (!muster_mirror_wait(mirror, 10000)) fputs("badges: the mirror is not whole yet; all work is done\n", stderr);

    unsigned long asked = 0, spared = 0;
    for (char user[256]; fgets(user, sizeof user, stdin) != NULL;) {
        user[strcspn(user, "\n")] = '\0';
        asked++;
        if (is_away(mirror, user)) spared++;
        else refresh(user);
        fflush(stdout);
    }
    printf("%lu badges, %lu of them of users who are away\n", asked, spared);

    muster_mirror_close(mirror);
    muster_close(client);
    return 0;
}
