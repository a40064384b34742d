#include "file.h"
#include "capture.h"
#include "common/monotonic.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char name[] = "roll.snapshot", name_aside[] = "roll.snapshot.tmp";
enum { NAME_BYTES_MAX = 64 };

struct snapshot_file {
    int dir;
    char *path;       /* of the directory, for messages */
    uint64_t cluster; /* of the node, 0: it has no key */
    struct snapshot_writer writer;
    struct snapshot_reader reader;
    uint8_t block[SNAPSHOT_HEAD_BYTES + SNAPSHOT_BLOCK_BYTES_MAX];
};

/* ---- the directory -------------------------------------------------------------------------------------------------
 */

/* A new file beside the snapshot; -1 and errno if there can be none. One that is there already was left behind by a
 * node that ended while it wrote. */
static int make_aside(struct snapshot_file *file) {
    if (unlinkat(file->dir, name_aside, 0) != 0 && errno != ENOENT) return -1;
    return openat(file->dir, name_aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Makes the file that snapshots are written to, so that a directory that takes none is noticed at the start. */
static bool dir_check(struct snapshot_file *file, struct error *error) {
    int made = make_aside(file);
    if (made < 0) {
        (void)error_fail_errno(error, errno);
        return error_prefix(error, "it cannot be written");
    }
    (void)close(made);
    (void)unlinkat(file->dir, name_aside, 0);
    return true;
}

static bool dir_open(struct snapshot_file *file, struct error *error) {
    if (mkdir(file->path, 0700) != 0 && errno != EEXIST) return error_fail_errno(error, errno);
    file->dir = open(file->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->dir < 0) return error_fail_errno(error, errno);
    if (flock(file->dir, LOCK_EX | LOCK_NB) == 0) return dir_check(file, error);
    if (errno == EWOULDBLOCK) return error_fail(error, MUSTER_UNAVAILABLE, "another node uses it");
    (void)error_fail_errno(error, errno);
    return error_prefix(error, "cannot lock it");
}

struct snapshot_file *snapshot_file_open(const char *dir, uint64_t cluster, struct error *error) {
    struct snapshot_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strdup(dir)) == NULL) {
        (void)error_fail_memory(error);
        free(file);
        return NULL;
    }
    file->dir = -1;
    file->cluster = cluster;
    if (dir_open(file, error)) return file;
    snapshot_file_close(file);
    return NULL;
}

void snapshot_file_close(struct snapshot_file *file) {
    if (file == NULL) return;
    if (file->dir >= 0) (void)close(file->dir);
    free(file->path);
    free(file);
}

static struct snapshot_moment moment_now(void) {
    struct instant now = clock_now();
    struct snapshot_moment moment = {.now_ms = now.now_ms, .wall_ms = now.wall_ms};
    clock_boot(moment.boot);
    return moment;
}

/* ---- writing -------------------------------------------------------------------------------------------------------
 */

static bool write_all(int to, const uint8_t *data, size_t len) {
    while (len > 0) {
        ssize_t wrote = write(to, data, len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        data += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

/* Writes the roll to an open file. *bytes: the bytes written. */
static bool write_roll(struct snapshot_file *file, struct node *node, int to, uint64_t *bytes) {
    struct snapshot_moment now = moment_now();
    size_t len = node_snapshot_begin(node, &file->writer, &now, file->cluster, file->block);
    do {
        if (!write_all(to, file->block, len)) return false;
        *bytes += len;
    } while (node_snapshot_next(node, &file->writer, clock_now(), file->block, &len));
    return true;
}

static bool write_aside(struct snapshot_file *file, struct node *node, uint64_t *bytes) {
    int to = make_aside(file);
    if (to < 0) return false;
    bool is_written = write_roll(file, node, to, bytes) && fsync(to) == 0;
    int error = errno;
    if (close(to) != 0 && is_written) return false;
    errno = error;
    return is_written;
}

bool snapshot_file_write(struct snapshot_file *file, struct node *node) {
    uint64_t start_us = monotonic_us(), bytes = 0;
    if (!write_aside(file, node, &bytes) || renameat(file->dir, name_aside, file->dir, name) != 0 ||
        fsync(file->dir) != 0) {
        log_line(LEVEL_ERROR, "snapshot_failed", "the snapshot cannot be written; the one before is kept",
                 {"dir", file->path, 0}, {"why", strerror(errno), 0});
        (void)unlinkat(file->dir, name_aside, 0);
        return false;
    }
    log_line(LEVEL_DEBUG, "snapshot_written", "a snapshot was written", {"dir", file->path, 0},
             {"changes", NULL, file->writer.changes}, {"bytes", NULL, bytes},
             {"took_ms", NULL, (monotonic_us() - start_us) / 1000});
    return true;
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* Reads exactly `len` bytes: SNAPSHOT_TRUNCATED if there are fewer, SNAPSHOT_UNREADABLE if reading fails. */
static enum snapshot_fault read_whole(FILE *from, uint8_t *to, size_t len) {
    if (fread(to, 1, len, from) == len) return SNAPSHOT_GOOD;
    return ferror(from) ? SNAPSHOT_UNREADABLE : SNAPSHOT_TRUNCATED;
}

static enum snapshot_fault read_block(struct snapshot_file *file, FILE *from) {
    enum snapshot_fault fault = read_whole(from, file->block, SNAPSHOT_PREFIX_BYTES);
    if (fault != SNAPSHOT_GOOD) return fault;
    size_t len = snapshot_block_bytes(file->block);
    if (len == 0) return SNAPSHOT_DAMAGED;
    fault = read_whole(from, file->block + SNAPSHOT_PREFIX_BYTES, len - SNAPSHOT_PREFIX_BYTES);
    return fault == SNAPSHOT_GOOD ? snapshot_read(&file->reader, file->block, len) : fault;
}

static enum snapshot_fault read_header(struct snapshot_file *file, FILE *from) {
    enum snapshot_fault fault = read_whole(from, file->block, SNAPSHOT_HEAD_BYTES);
    if (fault == SNAPSHOT_TRUNCATED) return SNAPSHOT_FOREIGN; /* too short to be one */
    if (fault == SNAPSHOT_GOOD) fault = snapshot_open(&file->reader, file->block);
    if (fault == SNAPSHOT_GOOD) fault = read_block(file, from);
    if (fault != SNAPSHOT_GOOD) return fault;
    uint64_t here = file->cluster, there = file->reader.header.cluster;
    return here != 0 && there != 0 && here != there ? SNAPSHOT_OF_ANOTHER_CLUSTER : SNAPSHOT_GOOD;
}

/* Merges the blocks into the roll, up to the first that cannot be read. */
static enum snapshot_fault read_roll(struct snapshot_file *file, struct node *node, FILE *from,
                                     struct snapshot_merged *merged) {
    struct snapshot_moment now = moment_now();
    enum snapshot_fault fault = read_header(file, from);
    while (fault == SNAPSHOT_GOOD && !file->reader.is_ended) {
        fault = read_block(file, from);
        if (fault == SNAPSHOT_GOOD) node_snapshot_merge(node, &file->reader, &now, merged);
    }
    if (fault == SNAPSHOT_GOOD && fgetc(from) != EOF) fault = SNAPSHOT_DAMAGED;
    if (fault == SNAPSHOT_GOOD && ferror(from)) fault = SNAPSHOT_UNREADABLE;
    if (fault == SNAPSHOT_GOOD && merged->refused == 0) node_snapshot_merged(node, &file->reader.header);
    return fault;
}

/* Renames a snapshot that cannot be read; the name has the time, so that several can be told apart. */
static void set_aside(struct snapshot_file *file, enum snapshot_fault fault, uint64_t members) {
    char bad[NAME_BYTES_MAX], time_text[32];
    time_t seconds = (time_t)(clock_now().wall_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &utc) == 0)
        (void)snprintf(time_text, sizeof time_text, "%" PRIu64, clock_now().wall_ms);
    (void)snprintf(bad, sizeof bad, "%s.bad-%s", name, time_text);
    bool is_aside = renameat(file->dir, name, file->dir, bad) == 0 && fsync(file->dir) == 0;
    log_line(LEVEL_ERROR, "snapshot_bad",
             is_aside ? "the snapshot was set aside; the node has what comes before the damage"
                      : "the snapshot can neither be read nor set aside; the node has what comes before the damage",
             {"dir", file->path, 0}, {"why", snapshot_fault_text(fault), 0}, {"set_aside_as", is_aside ? bad : "-", 0},
             {"members", NULL, members});
}

static void keep_peers(const struct snapshot_header *header, struct snapshot_peers *peers) {
    if (header->peer_count == 0 || (peers->addresses = calloc(header->peer_count, sizeof *peers->addresses)) == NULL)
        return;
    peers->count = header->peer_count;
    for (size_t i = 0; i < peers->count; i++) memcpy(peers->addresses[i], header->peers[i].data, header->peers[i].len);
}

void snapshot_peers_free(struct snapshot_peers *peers) {
    free(peers->addresses);
    *peers = (struct snapshot_peers){0};
}

/* NULL and errno if there is no regular file of that name, or it cannot be opened. */
static FILE *open_for_reading(struct snapshot_file *file) {
    int from = openat(file->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0) return NULL;
    struct stat is;
    if (fstat(from, &is) != 0 || !S_ISREG(is.st_mode)) {
        (void)close(from);
        errno = EINVAL;
        return NULL;
    }
    FILE *stream = fdopen(from, "rb");
    if (stream == NULL) (void)close(from);
    return stream;
}

enum snapshot_fault snapshot_file_load(struct snapshot_file *file, struct node *node, struct snapshot_peers *peers) {
    uint64_t start_us = monotonic_us();
    struct snapshot_merged merged = {0};
    *peers = (struct snapshot_peers){0};
    FILE *from = open_for_reading(file);
    if (from == NULL && errno == ENOENT) {
        log_line(LEVEL_INFO, "snapshot_none", "there is no snapshot; the roll is empty", {"dir", file->path, 0});
        return SNAPSHOT_GOOD;
    }
    enum snapshot_fault fault = from == NULL ? SNAPSHOT_UNREADABLE : read_roll(file, node, from, &merged);
    if (from != NULL) (void)fclose(from);
    if (fault != SNAPSHOT_GOOD) {
        set_aside(file, fault, merged.changes);
        return fault;
    }
    struct snapshot_moment now = moment_now();
    keep_peers(&file->reader.header, peers);
    if (merged.refused > 0)
        log_line(LEVEL_WARN, "snapshot_too_large", "the roll has no room for all of the snapshot",
                 {"refused", NULL, merged.refused});
    log_line(LEVEL_INFO, "snapshot_loaded", "the roll has been loaded", {"dir", file->path, 0},
             {"members", NULL, merged.changes}, {"peers", NULL, peers->count},
             {"age_ms", NULL, snapshot_elapsed_ms(&file->reader.header.begun, &now)},
             {"took_ms", NULL, (monotonic_us() - start_us) / 1000});
    return SNAPSHOT_GOOD;
}
