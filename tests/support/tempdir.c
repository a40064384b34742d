#include "tempdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void fail(const char *what, const char *path) {
    fprintf(stderr, "%s ", what);
    perror(path);
    abort();
}

struct tempdir tempdir_make(void) {
    struct tempdir dir;
    const char *parent = getenv("TMPDIR");
    int len = snprintf(dir.path, sizeof dir.path, "%s/muster-XXXXXX", parent != NULL ? parent : "/tmp");
    if (len < 0 || (size_t)len >= sizeof dir.path || mkdtemp(dir.path) == NULL) fail("cannot make", dir.path);
    return dir;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path);
}

void tempdir_remove(struct tempdir *dir) {
    if (dir->path[0] == '\0') return;
    nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dir->path[0] = '\0';
}

struct tempdir tempdir_path(const struct tempdir *dir, const char *name) {
    struct tempdir path;
    int len = snprintf(path.path, sizeof path.path, "%s/%s", dir->path, name);
    if (len < 0 || (size_t)len >= sizeof path.path) fail("too long:", name);
    return path;
}

struct tempdir tempdir_write(const struct tempdir *dir, const char *name, const void *data, size_t len) {
    struct tempdir path = tempdir_path(dir, name);
    FILE *file = fopen(path.path, "wb");
    if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0) fail("cannot write", path.path);
    return path;
}

char *tempdir_read(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    size_t capacity = 4096, used = 0;
    char *data = malloc(capacity + 1);
    while (data != NULL) {
        used += fread(data + used, 1, capacity - used, file);
        if (used < capacity) break;
        capacity *= 2;
        char *grown = realloc(data, capacity + 1);
        if (grown == NULL) free(data);
        data = grown;
    }
    fclose(file);
    if (data == NULL) return NULL;
    data[used] = '\0';
    if (len != NULL) *len = used;
    return data;
}
