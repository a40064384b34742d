/* A cursor is read if it was written with that key, and only then. */
#include "fuzz.h"
#include "watch/cursor.h"

#include <string.h>

static const struct cursor_key key = {.incarnation = 7, .bytes = "a key of 16 byte"};

static void read_any(const uint8_t *data, size_t size) {
    static const struct cursor none;
    struct cursor cursor;
    char written[CURSOR_BYTES];
    memset(&cursor, 0, sizeof cursor);
    if (!cursor_read(&key, (struct text){(const char *)data, (uint32_t)size}, &cursor)) {
        hold(cursor.selection == none.selection && cursor.base == 0 && cursor.target == 0 && cursor.at == 0);
        hold(cursor.hash == 0 && cursor.paced_ms == 0);
        hold(cursor.phase == CURSOR_NEW && !cursor.is_walking && !cursor.is_owed);
        return;
    }
    cursor_write(&key, &cursor, written);
    hold(size == CURSOR_BYTES && memcmp(written, data, size) == 0);
}

static void hold_same(const struct cursor *a, const struct cursor *b) {
    hold(a->selection == b->selection && a->base == b->base && a->target == b->target && a->at == b->at);
    hold(a->hash == b->hash && a->paced_ms == b->paced_ms);
    hold(a->phase == b->phase && a->is_walking == b->is_walking && a->is_owed == b->is_owed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t fields[6];
    struct cursor back;
    char written[CURSOR_BYTES];
    read_any(data, size);
    if (size < sizeof fields + 2) return 0;
    memcpy(fields, data, sizeof fields);
    uint8_t flags = data[sizeof fields], damage = data[sizeof fields + 1];
    const struct cursor cursor = {.selection = fields[0],
                                  .base = fields[1],
                                  .target = fields[2],
                                  .at = fields[3],
                                  .hash = fields[4],
                                  .paced_ms = fields[5],
                                  .phase = (enum cursor_phase)((flags & 3) % CURSOR_PHASES),
                                  .is_walking = flags & 4,
                                  .is_owed = flags & 8};
    cursor_write(&key, &cursor, written);
    hold(cursor_read(&key, (struct text){written, CURSOR_BYTES}, &back));
    hold_same(&cursor, &back);
    hold(!cursor_read(&key, (struct text){written, CURSOR_BYTES - 1u}, &back));
    struct cursor_key other = key;
    other.incarnation++;
    hold(!cursor_read(&other, (struct text){written, CURSOR_BYTES}, &back));
    written[damage % CURSOR_BYTES] ^= 1;
    read_any((const uint8_t *)written, CURSOR_BYTES);
    hold(!cursor_read(&key, (struct text){written, CURSOR_BYTES}, &back));
    return 0;
}
