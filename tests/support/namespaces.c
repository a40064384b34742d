#include "namespaces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WORDS_MAX = 24, LINE_BYTES = 256 };

/* Runs a command line; words are separated by single blanks. */
__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...) {
    char line[LINE_BYTES], *at = line, *word;
    const char *argv[WORDS_MAX + 1];
    size_t count = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    while ((word = strsep(&at, " ")) != NULL && count < WORDS_MAX) argv[count++] = word;
    argv[count] = NULL;
    struct process_result result = process_run(argv, NULL, NULL, SOON_MS);
    bool is_done = !result.timed_out && !result.how.is_signal && result.how.status == 0;
    process_result_free(&result);
    return is_done;
}

static bool make_hub(struct namespaces *namespaces) {
    const char *hub = namespaces->hub;
    return run("ip netns add %s", hub) && run("ip -n %s link add bridge type bridge", hub) &&
           run("ip -n %s link set bridge up", hub);
}

static bool make_node(struct namespaces *namespaces, size_t i) {
    const char *name = namespaces->names[i], *hub = namespaces->hub;
    return run("ip netns add %s", name) &&
           run("ip -n %s link add port%zu type veth peer name eth netns %s", hub, i, name) &&
           run("ip -n %s link set port%zu master bridge", hub, i) && run("ip -n %s link set port%zu up", hub, i) &&
           run("ip -n %s link set lo up", name) && run("ip -n %s addr add %s/24 dev eth", name, namespaces->hosts[i]) &&
           run("ip -n %s link set eth up", name);
}

bool namespaces_open(struct namespaces *namespaces, size_t count) {
    *namespaces = (struct namespaces){.count = count};
    unsigned pid = (unsigned)getpid();
    snprintf(namespaces->hub, sizeof namespaces->hub, "muster%u-hub", pid);
    for (size_t i = 0; i < count; i++) {
        snprintf(namespaces->names[i], sizeof namespaces->names[i], "muster%u-%zu", pid, i + 1);
        snprintf(namespaces->hosts[i], sizeof namespaces->hosts[i], "10.77.0.%zu", i + 1);
    }
    bool is_made = make_hub(namespaces);
    for (size_t i = 0; i < count && is_made; i++) is_made = make_node(namespaces, i);
    if (!is_made) namespaces_close(namespaces);
    return is_made;
}

static bool make_loopback(const char *name) {
    return run("ip netns add %s", name) && run("ip -n %s link set lo up", name) &&
           run("ip -n %s link add v0 type veth peer name v1", name) &&
           run("ip -n %s addr add 2001:db8::1/64 dev v0", name) && run("ip -n %s link set v0 up", name) &&
           run("ip -n %s link set v1 up", name);
}

bool namespaces_open_loopback(struct namespaces *namespaces, size_t count) {
    *namespaces = (struct namespaces){.count = count};
    snprintf(namespaces->hub, sizeof namespaces->hub, "muster%u-lo", (unsigned)getpid());
    for (size_t i = 0; i < count; i++) {
        strcpy(namespaces->names[i], namespaces->hub);
        strcpy(namespaces->hosts[i], "127.0.0.1");
    }
    bool is_made = make_loopback(namespaces->hub);
    if (!is_made) namespaces_close(namespaces);
    return is_made;
}

void namespaces_close(struct namespaces *namespaces) {
    for (size_t i = 0; i < namespaces->count; i++) (void)run("ip netns del %s", namespaces->names[i]);
    (void)run("ip netns del %s", namespaces->hub);
}

void namespaces_hold(const struct namespaces *namespaces, struct rig *rig) {
    for (size_t i = 0; i < namespaces->count; i++) {
        strcpy(rig->nodes[i].netns, namespaces->names[i]);
        strcpy(rig->nodes[i].host, namespaces->hosts[i]);
    }
}

static void must(bool is_done, const char *what) {
    if (!is_done) fail_msg("cannot %s a link", what);
}

void namespaces_cut(const struct namespaces *namespaces, size_t i) {
    must(run("tc -n %s qdisc add dev port%zu root blackhole", namespaces->hub, i) &&
             run("tc -n %s qdisc add dev eth root blackhole", namespaces->names[i]),
         "cut");
}

void namespaces_deafen(const struct namespaces *namespaces, size_t i) {
    must(run("tc -n %s qdisc add dev port%zu root blackhole", namespaces->hub, i), "deafen");
}

void namespaces_heal(const struct namespaces *namespaces, size_t i) {
    bool hears = run("tc -n %s qdisc del dev port%zu root", namespaces->hub, i);
    (void)run("tc -n %s qdisc del dev eth root", namespaces->names[i]); /* there only after a cut */
    must(hears, "heal");
}

bool namespaces_worsen(const struct namespaces *namespaces, size_t i) {
    return run("tc -n %s qdisc add dev port%zu root netem delay 100ms loss 5%%", namespaces->hub, i);
}
