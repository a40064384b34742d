/* A borrowed piece of memory, such as an id or a state. Not NUL-terminated; whoever passes it owns the memory. */
#ifndef MUSTER_COMMON_TEXT_H
#define MUSTER_COMMON_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *data; /* may be NULL only if len is 0 */
    uint32_t len;
};

/* A text over a string literal or another NUL-terminated string, which must outlive it. */
static inline struct text text_of(const char *string) {
    return (struct text){string, (uint32_t)strlen(string)};
}

static inline uint64_t text_word(const char *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Ids are short and compared at every beat, so comparing words is faster than a call of memcmp. */
static inline bool text_equal(struct text a, struct text b) {
    if (a.len != b.len) return false;
    if (a.len >= 8) { /* the last word overlaps the one before it */
        for (uint32_t at = 0; at < a.len - 8; at += 8)
            if (text_word(a.data + at) != text_word(b.data + at)) return false;
        return text_word(a.data + a.len - 8) == text_word(b.data + a.len - 8);
    }
    for (uint32_t at = 0; at < a.len; at++)
        if (a.data[at] != b.data[at]) return false;
    return true;
}

#endif
