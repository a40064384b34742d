#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS_MAY = S_IRWXG | S_IRWXO };

struct complaint {
    char *text;
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static bool complain(const struct complaint *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why->text, why->bytes, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_secret(int file, size_t capacity, const struct complaint *why) {
    struct stat is;
    if (fstat(file, &is) != 0) return complain(why, "%s", strerror(errno));
    if (!S_ISREG(is.st_mode)) return complain(why, "it is no regular file");
    if (is.st_uid != geteuid() && is.st_uid != 0)
        return complain(why, "it belongs to another user (%u)", (unsigned)is.st_uid);
    if ((is.st_mode & OTHERS_MAY) != 0)
        return complain(why,
                        "others can get at it (mode %04o): chmod 600 it, and if it lay open for long, make a new key",
                        (unsigned)is.st_mode & 07777);
    if (is.st_size > (off_t)capacity) return complain(why, "it is larger than %zu bytes", capacity);
    return true;
}

/* One byte more than fits is asked for, so that a file that grew since is noticed. */
static bool read_all(int file, char *text, size_t capacity, size_t *len, const struct complaint *why) {
    for (;;) {
        char beyond;
        bool is_full = *len == capacity;
        ssize_t got = read(file, is_full ? &beyond : text + *len, is_full ? 1 : capacity - *len);
        if (got == 0) return true;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return complain(why, "%s", strerror(errno));
        if (is_full) return complain(why, "it is larger than %zu bytes", capacity);
        *len += (size_t)got;
    }
}

bool key_file_read(const char *path, char *text, size_t capacity, size_t *len, char *why, size_t why_bytes) {
    const struct complaint complaint = {why, why_bytes};
    *len = 0;
    /* Not to block where the path is a pipe. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) return complain(&complaint, "%s", strerror(errno));
    bool is_read = is_secret(file, capacity, &complaint) && read_all(file, text, capacity, len, &complaint);
    (void)close(file);
    if (is_read) return true;
    sodium_memzero(text, capacity);
    *len = 0;
    return false;
}
