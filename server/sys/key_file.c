#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS_MAY = S_IRWXG | S_IRWXO };

static bool is_secret(int file, size_t capacity, struct error *error) {
    struct stat is;
    if (fstat(file, &is) != 0) return error_fail_errno(error, errno);
    if (!S_ISREG(is.st_mode)) return error_fail(error, MUSTER_INVALID_ARGUMENT, "it is no regular file");
    if (is.st_uid != geteuid() && is.st_uid != 0)
        return error_fail(error, MUSTER_PERMISSION_DENIED, "it belongs to another user (%u)", (unsigned)is.st_uid);
    if ((is.st_mode & OTHERS_MAY) != 0)
        return error_fail(error, MUSTER_PERMISSION_DENIED,
                          "others can get at it (mode %04o): chmod 600 it, and if it lay open for long, make a new key",
                          (unsigned)is.st_mode & 07777);
    if (is.st_size > (off_t)capacity)
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "it is larger than %zu bytes", capacity);
    return true;
}

/* Asks for one byte more than fits, so that a file that has grown since fstat is noticed. */
static bool read_secret(int file, char *text, size_t capacity, size_t *len, struct error *error) {
    for (;;) {
        char beyond;
        bool is_full = *len == capacity;
        ssize_t got = read(file, is_full ? &beyond : text + *len, is_full ? 1 : capacity - *len);
        if (got == 0) return true;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_fail_errno(error, errno);
        if (is_full) return error_fail(error, MUSTER_INVALID_ARGUMENT, "it is larger than %zu bytes", capacity);
        *len += (size_t)got;
    }
}

bool key_file_read(const char *path, char *text, size_t capacity, size_t *len, struct error *error) {
    *len = 0;
    /* O_NONBLOCK: the path may be a pipe without a writer. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) return error_fail_errno(error, errno);
    bool is_read = is_secret(file, capacity, error) && read_secret(file, text, capacity, len, error);
    (void)close(file);
    if (is_read) return true;
    explicit_bzero(text, capacity);
    *len = 0;
    return false;
}
