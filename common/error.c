#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_fail(struct error *error, enum muster_code code, const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->code = code;
    errno = number;
    return false;
}

bool error_fail_memory(struct error *error) {
    return error_fail(error, MUSTER_RESOURCE_EXHAUSTED, "out of memory");
}

bool error_fail_errno(struct error *error, int number) {
    char text[ERROR_TEXT_BYTES / 2];
    return error_fail(error, MUSTER_INTERNAL, "%s", strerror_r(number, text, sizeof text));
}

bool error_prefix(struct error *error, const char *format, ...) {
    char text[ERROR_TEXT_BYTES], prefix[ERROR_TEXT_BYTES / 2];
    va_list arguments;
    memcpy(text, error->text, sizeof text);
    va_start(arguments, format);
    (void)vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    size_t len = strlen(prefix);
    text[sizeof text - len - 3] = '\0'; /* what does not fit behind the prefix, ": " and the NUL is cut */
    return error_fail(error, error->code, "%s: %s", prefix, text);
}
