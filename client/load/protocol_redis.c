/* RESP: presence as it is usually done with Redis, one sorted set with the time of the last beat as the score. */
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SCORE_BYTES = 13, /* milliseconds since 1970, until the year 2286 */
    TEXT_MAX = 150,   /* shown of an error */
};
#define NUMBER_MAX (INT64_C(1) << 48) /* in an answer; more is no different */

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t put_bytes(uint8_t *out, const void *data, size_t len) {
    memcpy(out, data, len);
    return len;
}

static size_t put_command(uint8_t *out, uint64_t arguments, const char *command) {
    return (size_t)sprintf((char *)out, "*%llu\r\n$%zu\r\n%s\r\n$7\r\ndefault\r\n", (unsigned long long)arguments + 2,
                           strlen(command), command);
}

static size_t request_touch(const struct work *work, struct user_choice *choice, uint8_t *out) {
    size_t at = put_command(out, 2 * (uint64_t)work->batch, "ZADD");
    char score[SCORE_BYTES + 1];
    snprintf(score, sizeof score, "%013llu", (unsigned long long)(wall_ms() % 10000000000000));
    for (uint32_t i = 0; i < work->batch; i++) {
        at += put_bytes(out + at, "$13\r\n", 5);
        at += put_bytes(out + at, score, SCORE_BYTES);
        at += put_bytes(out + at, "\r\n$17\r\n", 7);
        work_next_user(work, choice, out + at);
        at += USER_BYTES;
        at += put_bytes(out + at, "\r\n", 2);
    }
    return at;
}

static size_t request_live(const struct work *work, struct user_choice *choice, uint8_t *out) {
    size_t at = put_command(out, work_users_each(work), "ZMSCORE");
    for (uint32_t i = 0; i < work_users_each(work); i++) {
        at += put_bytes(out + at, "$17\r\n", 5);
        work_next_user(work, choice, out + at);
        at += USER_BYTES;
        at += put_bytes(out + at, "\r\n", 2);
    }
    return at;
}

static size_t request_list(uint8_t *out) {
    size_t at = put_command(out, 2, "ZRANGE");
    return at + put_bytes(out + at, "$1\r\n0\r\n$2\r\n-1\r\n", 15);
}

static size_t request_counts(const struct work *work, uint8_t *out) {
    size_t at = 0;
    uint64_t now = wall_ms();
    for (uint32_t i = 0; i < work->window_count; i++) {
        at += put_command(out + at, 2, "ZCOUNT");
        at += (size_t)sprintf((char *)out + at, "$13\r\n%013llu\r\n$4\r\n+inf\r\n",
                              (unsigned long long)(now - work->windows_ms[i]));
    }
    return at;
}

static size_t write_request(const struct work *work, struct user_choice *choice, const struct request *request,
                            uint8_t *out) {
    (void)request;
    switch (work->kind) {
    case WORK_TOUCH:
        return request_touch(work, choice, out);
    case WORK_LIVE:
    case WORK_PING:
        return request_live(work, choice, out);
    case WORK_LIST:
        return request_list(out);
    case WORK_COUNTS:
        return request_counts(work, out);
    case WORK_ECHO:
        return put_bytes(out, "PING\r\n", 6);
    }
    abort();
}

static size_t line_bytes(const uint8_t *data, size_t len) {
    const uint8_t *end = memchr(data, '\n', len);
    return end == NULL ? 0 : (size_t)(end - data) + 1;
}

/* The number behind the first byte of a line that ends with a newline. Digits alone count; too many are capped, and a
 * negative number, which stands for nothing, is -1. */
static int64_t line_number(const uint8_t *line) {
    int64_t value = 0;
    if (line[1] == '-') return -1;
    for (const uint8_t *at = line + 1; *at >= '0' && *at <= '9'; at++)
        value = value > NUMBER_MAX ? NUMBER_MAX : value * 10 + (*at - '0');
    return value;
}

/* One token: a line, or a bulk string with its header. Returns its length; 0: it is not complete. */
static size_t read_token(struct reading *reading, const uint8_t *data, size_t len, struct answer *out) {
    size_t used = line_bytes(data, len);
    if (used == 0) return 0;
    const int64_t number = used > 1 ? line_number(data) : 0;
    switch (data[0]) {
    case '*':
        if (number > 0) reading->elements_left += (uint64_t)number;
        break;
    case ':':
        if (number > 0) out->hits += (uint64_t)number;
        break;
    case '$':
        if (number < 0) break;
        if (len - used < 2 || (uint64_t)number > len - used - 2) return 0;
        used += (size_t)number + 2;
        out->hits++;
        break;
    case '+':
        break;
    default:
        out->fault = FAULT_REFUSED;
        (void)error_fail(&out->why, MUSTER_UNKNOWN, "%.*s", (int)(used < TEXT_MAX ? used : TEXT_MAX),
                         (const char *)data);
    }
    return used;
}

static size_t read_answer(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                          struct answer *out) {
    size_t used = 0;
    if (reading->commands_left == 0) reading->commands_left = work->kind == WORK_COUNTS ? work->window_count : 1;
    while (used < len) {
        bool is_element = reading->elements_left > 0;
        size_t step = read_token(reading, data + used, len - used, out);
        if (step == 0 || out->fault != FAULT_NONE) break;
        used += step;
        if (is_element) reading->elements_left--;
        if (reading->elements_left == 0 && --reading->commands_left == 0) {
            out->is_done = true;
            break;
        }
    }
    return used;
}

const struct protocol protocol_redis = {
    .name = "redis", .is_ordered = true, .write_request = write_request, .read_answer = read_answer};
