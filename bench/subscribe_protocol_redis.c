/* Publish and subscribe over RESP. A message has the content of a change of Muster in as many bytes: user, status and
 * time. */
#include "subscribe_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANNEL "default"

enum { PAYLOAD_BYTES = USER_BYTES + 2 + 1 + 13 }; /* "user:000000000042 b 1700000000000" */

static size_t write_subscribe(const struct watching *watching, const struct watcher *watcher, uint32_t slot,
                              uint8_t *out) {
    static const char command[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$7\r\n" CHANNEL "\r\n";
    (void)watching;
    (void)watcher;
    (void)slot;
    memcpy(out, command, sizeof command - 1);
    return sizeof command - 1;
}

/* The length of a line with its end; 0: it is not complete. */
static size_t resp_line_bytes(const uint8_t *data, size_t len) {
    const uint8_t *end = memchr(data, '\n', len);
    return end == NULL ? 0 : (size_t)(end - data) + 1;
}

struct element {
    const uint8_t *data; /* of a bulk string; NULL: a number */
    size_t len;
};

static size_t read_element(const uint8_t *data, size_t len, struct element *out) {
    size_t used = resp_line_bytes(data, len);
    *out = (struct element){0};
    if (used == 0 || data[0] != '$') return used;
    size_t size = strtoul((const char *)data + 1, NULL, 10);
    if (size + 2 > len - used) return 0;
    *out = (struct element){data + used, size};
    return used + size + 2;
}

/* Reads an array of three: the kind, the channel, and the message or a number. */
static size_t read_push(struct watcher *watchers, const uint8_t *data, size_t len, struct reception *reception) {
    struct element elements[3];
    if (len < 4) return 0;
    if (memcmp(data, "*3\r\n", 4) != 0) {
        snprintf(reception->problem, sizeof reception->problem, "%.*s", (int)(len < 150 ? len : 150),
                 (const char *)data);
        return 0;
    }
    size_t used = 4;
    for (int i = 0; i < 3; i++) {
        size_t step = read_element(data + used, len - used, &elements[i]);
        if (step == 0) return 0;
        used += step;
    }
    if (elements[2].data == NULL) watchers->is_synced = true;
    else if (elements[2].len == PAYLOAD_BYTES) receive_change(watchers, reception, elements[2].data);
    return used;
}

static size_t write_publish(const uint8_t *user, bool is_busy, uint8_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned long long wall_ms = (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
    return (size_t)sprintf((char *)out, "*3\r\n$7\r\nPUBLISH\r\n$7\r\n" CHANNEL "\r\n$%d\r\n%.*s %c %013llu\r\n",
                           PAYLOAD_BYTES, USER_BYTES, (const char *)user, is_busy ? 'b' : 'o',
                           wall_ms % 10000000000000);
}

/* Reads the number of subscribers that a message was sent to. */
static size_t read_published(const uint8_t *data, size_t len, struct reception *reception) {
    size_t used = resp_line_bytes(data, len);
    if (used == 0) return 0;
    if (data[0] != ':')
        snprintf(reception->problem, sizeof reception->problem, "%.*s", (int)(used < 150 ? used : 150),
                 (const char *)data);
    reception->is_answer = true;
    return used;
}

const struct subscribe_protocol subscribe_protocol_redis = {.base = &protocol_redis,
                                                            .ask = write_subscribe,
                                                            .receive = read_push,
                                                            .change = write_publish,
                                                            .confirm = read_published};
