#include "client_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum muster_code code;
    const char *text;
} codes[] = {
#define X(name, value, text) {name, text},
    MUSTER_CODES(X)
#undef X
};

static bool code_is_known(int64_t code) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if ((int64_t)codes[i].code == code) return true;
    }
    return false;
}

const char *muster_strerror(enum muster_code code) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) return codes[i].text;
    }
    return "unknown";
}

const char *muster_version(void) {
    return MUSTER_VERSION;
}

enum muster_code client_error_set(struct muster_error *error, enum muster_code code, const char *format, ...) {
    if (error == NULL) return code;
    error->code = code;
    error->is_answer = false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return code;
}

enum muster_code client_error_answer(struct muster_error *error, int64_t code, const char *text, size_t text_len) {
    bool is_known = code_is_known(code);
    enum muster_code known = is_known ? (enum muster_code)code : MUSTER_UNKNOWN;
    if (error == NULL) return known;
    int shown = text_len < sizeof error->message ? (int)text_len : (int)sizeof error->message;
    if (!is_known) {
        client_error_set(error, known, "code %lld: %.*s", (long long)code, shown, text_len == 0 ? "" : text);
    } else if (text_len == 0) {
        client_error_set(error, known, "%s", muster_strerror(known));
    } else {
        client_error_set(error, known, "%.*s", shown, text);
    }
    error->is_answer = true;
    return known;
}

enum muster_code client_error_none(struct muster_error *error) {
    if (error != NULL) {
        error->code = MUSTER_OK;
        error->is_answer = false;
        error->message[0] = '\0';
    }
    return MUSTER_OK;
}

enum muster_code client_error_no_memory(struct muster_error *error) {
    return client_error_set(error, MUSTER_RESOURCE_EXHAUSTED, "memory is short");
}
