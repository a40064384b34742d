/* A node's snapshot on disk: what it keeps, and what becomes of a file that is not one. */
#include "snapshot/file.h"
#include "support/call_bytes.h"
#include "support/request_builder.h"
#include "support/tempdir.h"
#include "support/wait.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/periodic.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, USERS = 1500 };

/* A node with a data directory. */
struct rig {
    struct tempdir dir;
    struct node *node;
    struct rpc *rpc;
    struct worker *worker;
    struct snapshot_file *file;
    struct snapshot_peers peers;
    struct answerer answerer;
};

static size_t ask_node(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    struct rig *rig = context;
    size_t reply_len;
    *reply = call_bytes(rig->rpc, rig->worker, request, len, clock_now(), NULL, &reply_len);
    return reply_len;
}

/* A fresh node in a directory that an earlier one may have had. */
static enum snapshot_fault rig_start(struct rig *rig, uint64_t origin, uint64_t cluster) {
    struct error error;
    const struct node_config config = {.origin = origin,
                                       .hash_key = "sixteen bytes..",
                                       .ttl_ms = MUSTER_TTL_MAX_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 100000,
                                       .bytes_max = 1 << 30};
    rig->node = node_new(&config, clock_now());
    rig->worker = worker_new();
    rig->answerer = (struct answerer){rig, "in process", ask_node};
    rig->file = snapshot_file_open(rig->dir.path, cluster, &error);
    if (rig->node == NULL || rig->worker == NULL) fail_msg("no node");
    if ((rig->rpc = rpc_new(rig->node, 0)) == NULL) fail_msg("no calls");
    if (rig->file == NULL) fail_msg("no data directory: %s", error.text);
    return snapshot_file_load(rig->file, rig->node, &rig->peers);
}

static void rig_stop(struct rig *rig) {
    snapshot_peers_free(&rig->peers);
    snapshot_file_close(rig->file);
    worker_free(rig->worker);
    rpc_free(rig->rpc);
    node_free(rig->node);
}

static void touch_users(struct rig *rig, const char *stem, size_t count) {
    struct request_builder builder;
    builder_touch(&builder, "room");
    for (size_t i = 0; i < count; i++) builder_beat(&builder, "", "")->user = builder_number(&builder, stem, i);
    reply_free(ask(&rig->answerer, &builder));
}

static uint64_t live_users(struct rig *rig) {
    struct request_builder builder;
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes("room"));
    Muster__V1__Reply *reply = ask(&rig->answerer, &builder);
    uint64_t live = reply->counts->scopes[0]->live;
    reply_free(reply);
    return live;
}

static void expect_live(struct rig *rig, uint64_t expected, const char *when) {
    uint64_t live = live_users(rig);
    if (live != expected) fail_msg("%s: %" PRIu64 " users are live, expected %" PRIu64, when, live, expected);
}

/* How many files of the directory have names that begin so. */
static size_t count_files(const struct rig *rig, const char *prefix) {
    size_t count = 0;
    DIR *dir = opendir(rig->dir.path);
    if (dir == NULL) fail_msg("no directory");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return count;
}

static void expect_files(const struct rig *rig, size_t snapshots, size_t bad, const char *when) {
    size_t tmp = count_files(rig, "roll.snapshot.tmp"), has_bad = count_files(rig, "roll.snapshot.bad-");
    size_t has = count_files(rig, "roll.snapshot") - tmp - has_bad;
    if (has != snapshots || has_bad != bad || tmp != 0)
        fail_msg("%s: %zu snapshots, %zu set aside, %zu unfinished; expected %zu, %zu and none", when, has, has_bad,
                 tmp, snapshots, bad);
}

static struct rig rig_new(void) {
    struct rig rig = {.dir = tempdir_make()};
    return rig;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------
 */

static void a_restart_keeps_everybody(void **state) {
    (void)state;
    struct rig rig = rig_new();
    if (rig_start(&rig, 1001, 0) != SNAPSHOT_GOOD) fail_msg("an empty directory is no good");
    touch_users(&rig, "user-", USERS);
    if (!snapshot_file_write(rig.file, rig.node)) fail_msg("not written");
    expect_files(&rig, 1, 0, "after a write");
    rig_stop(&rig);
    for (uint64_t origin = 1002; origin < 1005; origin++) {
        if (rig_start(&rig, origin, 0) != SNAPSHOT_GOOD) fail_msg("not loaded");
        expect_live(&rig, USERS, "after a restart");
        touch_users(&rig, "user-", 10); /* taken over by the new incarnation */
        if (!snapshot_file_write(rig.file, rig.node)) fail_msg("not written");
        rig_stop(&rig);
    }
    tempdir_remove(&rig.dir);
}

static void nobody_else_may_read_it(void **state) {
    (void)state;
    struct tempdir parent = tempdir_make();
    struct rig rig = {.dir = tempdir_path(&parent, "data")};
    mode_t mask = umask(0);
    rig_start(&rig, 1001, 0);
    touch_users(&rig, "user-", 1);
    snapshot_file_write(rig.file, rig.node);
    umask(mask);
    struct tempdir path = tempdir_path(&rig.dir, "roll.snapshot");
    struct stat dir, file;
    if (stat(rig.dir.path, &dir) != 0 || stat(path.path, &file) != 0) fail_msg("no snapshot");
    if ((dir.st_mode & 07777) != 0700 || (file.st_mode & 07777) != 0600)
        fail_msg("modes %04o and %04o, expected 0700 and 0600", (unsigned)dir.st_mode & 07777,
                 (unsigned)file.st_mode & 07777);
    rig_stop(&rig);
    tempdir_remove(&parent);
}

static void a_directory_is_one_nodes_own(void **state) {
    (void)state;
    struct error error = {0};
    struct rig rig = rig_new();
    rig_start(&rig, 1001, 0);
    struct snapshot_file *second = snapshot_file_open(rig.dir.path, 0, &error);
    if (second != NULL || strstr(error.text, "another node") == NULL)
        fail_msg("a second node may have it: '%s'", error.text);
    rig_stop(&rig);
    if ((second = snapshot_file_open(rig.dir.path, 0, &error)) == NULL) fail_msg("not free again: %s", error.text);
    snapshot_file_close(second);
    tempdir_remove(&rig.dir);
    if (snapshot_file_open("/nonexistent/folder/data", 0, &error) != NULL) fail_msg("made out of nothing");
}

/* What is done to a good snapshot before it is loaded. */
typedef void spoil_fn(uint8_t *data, size_t *len);

static void flip_in_the_middle(uint8_t *data, size_t *len) {
    data[*len * 3 / 4] ^= 1;
}
static void cut_in_the_middle(uint8_t *data, size_t *len) {
    (void)data;
    *len = *len * 3 / 4;
}
static void cut_to_nothing(uint8_t *data, size_t *len) {
    (void)data;
    *len = 0;
}
static void make_foreign(uint8_t *data, size_t *len) {
    (void)len;
    memcpy(data, "PK\3\4", 4);
}
static void make_newer(uint8_t *data, size_t *len) {
    (void)len;
    data[16] = 9;
}
static void claim_4_gib(uint8_t *data, size_t *len) {
    (void)len;
    memset(data + SNAPSHOT_HEAD_BYTES + 1, 0xff, 4);
}
static void leave_as_it_is(uint8_t *data, size_t *len) {
    (void)data;
    (void)len;
}

static const struct spoiling {
    const char *what;
    spoil_fn *spoil;
    uint64_t cluster; /* of the node that loads it; it was written by one of cluster 7 */
    enum snapshot_fault fault;
    bool keeps_some;
} spoilings[] = {
    {"a flipped bit", flip_in_the_middle, 7, SNAPSHOT_DAMAGED, true},
    {"cut off", cut_in_the_middle, 7, SNAPSHOT_TRUNCATED, true},
    {"empty", cut_to_nothing, 7, SNAPSHOT_FOREIGN, false},
    {"another program's", make_foreign, 7, SNAPSHOT_FOREIGN, false},
    {"a newer version's", make_newer, 7, SNAPSHOT_NEWER, false},
    {"a length of 4 GiB", claim_4_gib, 7, SNAPSHOT_DAMAGED, false},
    {"another cluster's", leave_as_it_is, 8, SNAPSHOT_OF_ANOTHER_CLUSTER, false},
};

static void expect_set_aside(const struct spoiling *spoiling) {
    struct rig rig = rig_new();
    rig_start(&rig, 1001, 7);
    touch_users(&rig, "user-", USERS);
    snapshot_file_write(rig.file, rig.node);
    rig_stop(&rig);

    struct tempdir path = tempdir_path(&rig.dir, "roll.snapshot");
    size_t len;
    char *data = tempdir_read(path.path, &len);
    spoiling->spoil((uint8_t *)data, &len);
    tempdir_write(&rig.dir, "roll.snapshot", data, len);
    free(data);

    enum snapshot_fault fault = rig_start(&rig, 1002, spoiling->cluster);
    if (fault != spoiling->fault)
        fail_msg("%s: '%s', expected '%s'", spoiling->what, snapshot_fault_text(fault),
                 snapshot_fault_text(spoiling->fault));
    expect_files(&rig, 0, 1, spoiling->what);
    uint64_t live = live_users(&rig);
    if (spoiling->keeps_some ? live == 0 || live >= USERS : live != 0)
        fail_msg("%s: %" PRIu64 " users are live", spoiling->what, live);
    touch_users(&rig, "new-", 3);
    if (!snapshot_file_write(rig.file, rig.node)) fail_msg("%s: no new snapshot", spoiling->what);
    rig_stop(&rig);
    if (rig_start(&rig, 1003, spoiling->cluster) != SNAPSHOT_GOOD) fail_msg("%s: the new one is bad", spoiling->what);
    expect_live(&rig, live + 3, spoiling->what);
    rig_stop(&rig);
    tempdir_remove(&rig.dir);
}

static void a_bad_snapshot_is_set_aside(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof spoilings / sizeof spoilings[0]; i++) expect_set_aside(&spoilings[i]);
}

static void what_is_no_file_is_set_aside(void **state) {
    (void)state;
    struct rig rig = rig_new();
    struct tempdir path = tempdir_path(&rig.dir, "roll.snapshot"), tmp = tempdir_path(&rig.dir, "roll.snapshot.tmp");
    struct tempdir elsewhere = tempdir_path(&rig.dir, "elsewhere");
    if (mkdir(path.path, 0700) != 0 || symlink(elsewhere.path, tmp.path) != 0) fail_msg("no directory");
    if (rig_start(&rig, 1001, 0) != SNAPSHOT_UNREADABLE) fail_msg("a directory was read");
    if (!snapshot_file_write(rig.file, rig.node)) fail_msg("not written");
    expect_files(&rig, 1, 1, "where a directory was");
    if (access(elsewhere.path, F_OK) == 0) fail_msg("a link was followed");
    rig_stop(&rig);
    tempdir_remove(&rig.dir);
}

/* A cluster's key is new here: what a node without one kept is kept. */
static void a_key_may_come_later(void **state) {
    (void)state;
    struct rig rig = rig_new();
    rig_start(&rig, 1001, 0);
    touch_users(&rig, "user-", 5);
    snapshot_file_write(rig.file, rig.node);
    rig_stop(&rig);
    if (rig_start(&rig, 1002, 7) != SNAPSHOT_GOOD) fail_msg("not loaded under the first key");
    expect_live(&rig, 5, "under the first key");
    rig_stop(&rig);
    tempdir_remove(&rig.dir);
}

static void a_write_that_fails_leaves_the_one_before(void **state) {
    (void)state;
    struct rig rig = rig_new();
    rig_start(&rig, 1001, 0);
    touch_users(&rig, "user-", 5);
    snapshot_file_write(rig.file, rig.node);
    touch_users(&rig, "more-", USERS);
    struct rlimit before, tight;
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    bool is_written = snapshot_file_write(rig.file, rig.node);
    setrlimit(RLIMIT_FSIZE, &before);
    if (is_written) fail_msg("written past the limit");
    expect_files(&rig, 1, 0, "after a write that failed");
    rig_stop(&rig);
    if (rig_start(&rig, 1002, 0) != SNAPSHOT_GOOD) fail_msg("the one before is gone");
    expect_live(&rig, 5, "after a write that failed");
    rig_stop(&rig);
    tempdir_remove(&rig.dir);
}

/* ---- the keeper ---- */

struct load {
    struct rig *rig;
    struct worker *worker;
    atomic_bool is_over;
};

static size_t ask_beside(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    struct load *load = context;
    size_t reply_len;
    *reply = call_bytes(load->rig->rpc, load->worker, request, len, clock_now(), NULL, &reply_len);
    return reply_len;
}

static void *touch_without_end(void *context) {
    struct load *load = context;
    struct answerer answerer = {load, "beside", ask_beside};
    while (!atomic_load(&load->is_over)) {
        struct request_builder builder;
        builder_touch(&builder, "room");
        builder_beat(&builder, "ada", "");
        reply_free(ask_any(&answerer, &builder));
    }
    return NULL;
}

struct inode {
    const char *path;
    ino_t first;
};

/* Each snapshot is a new file. */
static bool has_changed(void *context) {
    const struct inode *was = context;
    struct stat is;
    return stat(was->path, &is) == 0 && is.st_ino != was->first;
}

static bool is_everybody_live(void *context) {
    return live_users(context) == USERS + 1;
}

static void write_snapshot(void *context) {
    struct rig *rig = context;
    (void)snapshot_file_write(rig->file, rig->node);
}

static void snapshots_are_written_while_the_node_serves(void **state) {
    (void)state;
    struct rig rig = rig_new();
    rig_start(&rig, 1001, 0);
    touch_users(&rig, "user-", USERS);
    struct load load = {.rig = &rig, .worker = worker_new()};
    pthread_t thread;
    pthread_create(&thread, NULL, touch_without_end, &load);
    if (!wait_until(is_everybody_live, &rig, PATIENCE_MS)) fail_msg("the load does not begin");
    struct periodic *writer = periodic_start(write_snapshot, &rig, 1, 1);
    struct tempdir path = tempdir_path(&rig.dir, "roll.snapshot");
    struct inode inode = {path.path, 0};
    bool is_written = wait_until(has_changed, &inode, PATIENCE_MS);
    struct stat file;
    if (is_written && stat(path.path, &file) == 0) inode.first = file.st_ino;
    bool is_written_again = wait_until(has_changed, &inode, PATIENCE_MS);
    atomic_store(&load.is_over, true);
    pthread_join(thread, NULL);
    periodic_stop(writer);
    if (!is_written || !is_written_again) fail_msg("it does not write");
    worker_free(load.worker);
    rig_stop(&rig); /* as kill -9 would, without a last one */
    if (rig_start(&rig, 1002, 0) != SNAPSHOT_GOOD) fail_msg("what it wrote is bad");
    expect_live(&rig, USERS + 1, "from a snapshot written under load");
    rig_stop(&rig);
    tempdir_remove(&rig.dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_keeps_everybody),
        cmocka_unit_test(nobody_else_may_read_it),
        cmocka_unit_test(a_directory_is_one_nodes_own),
        cmocka_unit_test(a_bad_snapshot_is_set_aside),
        cmocka_unit_test(what_is_no_file_is_set_aside),
        cmocka_unit_test(a_key_may_come_later),
        cmocka_unit_test(a_write_that_fails_leaves_the_one_before),
        cmocka_unit_test(snapshots_are_written_while_the_node_serves),
    };
    log_start(FORMAT_LOGFMT, LEVEL_ERROR, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
