/* Who is on this page? A complete program.
 *
 *     online NODE PAGE USER      tcp://127.0.0.1:7700 /news ada
 *
 * Says that USER is on PAGE for as long as the program runs, and prints who else is, at each line of its standard
 * input; at the end of the input USER leaves.
 *
 *     cc online.c $(pkg-config --cflags --libs muster) -o online */
#include <muster/muster.h>

#include <stdio.h>
#include <stdlib.h>

static void die(const char *what, const struct muster_error *error) {
    fprintf(stderr, "online: %s: %s\n", what, error->message);
    exit(1);
}

/* Runs on the keepalive's thread. It goes on trying: this is for the log. */
static void on_trouble(void *arg, const struct muster_keepalive_trouble *trouble) {
    (void)arg;
    fprintf(stderr, "online: %zu sessions: %s\n", trouble->sessions, trouble->error.message);
}

static void print_page(struct muster_client *client, const char *page) {
    struct muster_error error;
    struct muster_walk *walk;
    struct muster_query query = {.scope = page};
    if (muster_walk_open(client, &query, &walk, &error) != MUSTER_OK) die("list", &error);
    printf("%s:", page);
    for (const struct muster_user *user; (user = muster_walk_next(walk)) != NULL;) {
        printf(" %s%s", user->user, user->status == MUSTER_STATUS_AWAY ? " (away)" : "");
    }
    puts("");
    fflush(stdout);
    if (muster_walk_close(walk, &error) != MUSTER_OK) die("list", &error);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: online NODE PAGE USER\n", stderr);
        return 2;
    }
    const char *node = argv[1], *page = argv[2], *user = argv[3];

    struct muster_error error;
    struct muster_client *client;
    struct muster_options options = {.addresses = &node, .address_count = 1, .connect_ms = 2000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) die("open", &error);

    /* Visible at once, not only once the keepalive has come round to it. */
    struct muster_beat beat = {.user = user};
    if (muster_touch(client, page, 0, &beat, 1, NULL, &error) != MUSTER_OK) die("touch", &error);

    struct muster_keepalive *keepalive;
    struct muster_keepalive_options beating = {.trouble = on_trouble};
    if (muster_keepalive_open(client, &beating, &keepalive, &error) != MUSTER_OK) die("keepalive", &error);
    if (muster_keepalive_add(keepalive, page, user, NULL, MUSTER_STATUS_ONLINE, NULL, 0, &error) != MUSTER_OK)
        die("keepalive", &error);

    print_page(client, page);
    for (char line[256]; fgets(line, sizeof line, stdin) != NULL;) print_page(client, page);

    if (muster_keepalive_close(keepalive, true, &error) != MUSTER_OK) die("leave", &error);
    muster_close(client);
    return 0;
}
