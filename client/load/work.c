#include "work.h"

#include "common/random.h"

#include <string.h>

enum {
    REQUEST_BYTES_BASE = 2048, /* without users, scope and token */
    REQUEST_BYTES_EACH = 64,   /* a user: the longest is a ZADD's */
    USER_DIGITS = 12,
};

uint32_t work_users_each(const struct work *work) {
    return work->kind == WORK_TOUCH || work->kind == WORK_LIVE ? work->batch : work->kind == WORK_PING ? 1 : 0;
}

uint64_t work_next_number(const struct work *work, struct user_choice *choice) {
    if (work->kind == WORK_PING) return work->first;
    if (work->is_sequential) return work->first + choice->next++ % work->users;
    return work->first + (uint64_t)(((__uint128_t)splitmix64_next(&choice->random) * work->users) >> 64);
}

void work_name_user(uint64_t number, uint8_t *out) {
    memcpy(out, "user:", USER_BYTES - USER_DIGITS);
    for (int i = USER_BYTES - 1; i >= USER_BYTES - USER_DIGITS; i--, number /= 10)
        out[i] = (uint8_t)('0' + number % 10);
}

size_t work_request_bytes_max(const struct work *work) {
    size_t bytes = REQUEST_BYTES_BASE + (size_t)work_users_each(work) * REQUEST_BYTES_EACH;
    if (work->scope != NULL) bytes += strlen(work->scope);
    if (work->token != NULL) bytes += strlen(work->token);
    return bytes;
}
