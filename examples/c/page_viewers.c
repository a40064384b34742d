/* "12 viewing": how many are on a page, kept up to date. A complete program.
 *
 *     page_viewers NODE PAGE VIEWER      tcp://127.0.0.1:7700 /news ada
 *
 * Says that VIEWER is on PAGE for as long as the program runs, and prints how many are, at each change but at most four
 * times a second; at the end of its standard input VIEWER leaves. The page's viewers are not sent, only their number:
 * it costs the same with ten of them and with a million.
 *
 *     cc page_viewers.c $(pkg-config --cflags --libs muster) -o page_viewers */
#include <muster/muster.h>

#include <stdio.h>
#include <stdlib.h>

static void die(const char *what, const struct muster_error *error) {
    fprintf(stderr, "page_viewers: %s: %s\n", what, error->message);
    exit(1);
}

/* The callbacks run on the library's thread. Other counts may change while the viewers do not. */
static void on_counts(void *arg, const struct muster_scope_counts *counts) {
    uint64_t *shown = arg;
    if (*shown == counts->live) return;
    *shown = counts->live;
    printf("%llu viewing\n", (unsigned long long)counts->live);
    fflush(stdout);
}

/* It goes on trying: this is for the log. */
static void on_trouble(void *arg, const struct muster_error *error) {
    (void)arg;
    fprintf(stderr, "page_viewers: %s\n", error->message);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: page_viewers NODE PAGE VIEWER\n", stderr);
        return 2;
    }
    const char *node = argv[1], *page = argv[2], *viewer = argv[3];

    struct muster_error error;
    struct muster_client *client;
    struct muster_options options = {.addresses = &node, .address_count = 1, .connect_ms = 2000};
    if (muster_open(&options, &client, &error) != MUSTER_OK) die("open", &error);

    struct muster_keepalive *keepalive;
    if (muster_keepalive_open(client, NULL, &keepalive, &error) != MUSTER_OK) die("keepalive", &error);
    if (muster_keepalive_add(keepalive, page, viewer, NULL, MUSTER_STATUS_ONLINE, NULL, 0, &error) != MUSTER_OK)
        die("keepalive", &error);

    uint64_t shown = UINT64_MAX;
    struct muster_watch *watch;
    struct muster_watch_options watching = {.scope = page,
                                            .counts_only = true,
                                            .min_interval_ms = 250,
                                            .callbacks = {.counts = on_counts, .trouble = on_trouble},
                                            .arg = &shown};
    if (muster_watch_open(client, &watching, &watch, &error) != MUSTER_OK) die("watch", &error);

    while (getchar() != EOF) continue;

    muster_watch_close(watch);
    if (muster_keepalive_close(keepalive, true, &error) != MUSTER_OK) die("leave", &error);
    muster_close(client);
    return 0;
}
