#include "golden.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

static unsigned digit_of(int c) {
    return (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
}

size_t golden_read(const char *name, uint8_t *bytes, size_t capacity) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", GOLDEN_PATH, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("there is no %s", path);
    size_t digits = 0;
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        if (c == '#')
            while (c != EOF && c != '\n') c = fgetc(file);
        if (!isxdigit(c)) continue;
        if (digits / 2 == capacity) fail_msg("%s is longer than %zu bytes", name, capacity);
        bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit_of(c) : (unsigned)bytes[digits / 2] << 4 | digit_of(c));
        digits++;
    }
    fclose(file);
    return digits / 2;
}

void golden_require(const char *name, struct text made) {
    static uint8_t bytes[4096];
    size_t len = golden_read(name, bytes, sizeof bytes), at = 0;
    while (at < len && at < made.len && bytes[at] == (uint8_t)made.data[at]) at++;
    if (at == len && at == made.len) return;
    for (uint32_t i = 0; i < made.len; i++) printf("%02x%s", (uint8_t)made.data[i], i % 32 == 31 ? "\n" : "");
    printf("\n");
    fail_msg("%s: %u bytes were made, %zu are expected, they part at byte %zu", name, made.len, len, at);
}
