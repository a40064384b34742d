/* What a box of bytes that wait to be sent owns: in the order in which they came, and no more memory than they need. */
#include "net/grpc/grpc_door_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { BYTES = 1 << 20, OWNED_PART = 4, OWNED_MIN = 256 };

static void add_bytes(struct outbox *box, size_t len, uint8_t *next) {
    uint8_t *room = outbox_add(box, len);
    if (room == NULL) fail_msg("no memory");
    for (size_t i = 0; i < len; i++) room[i] = (*next)++;
}

static void take_bytes(struct outbox *box, size_t size, size_t expected, uint8_t *next) {
    static uint8_t bytes[BYTES];
    size_t some = outbox_take(box, bytes, size);
    if (some != expected) fail_msg("%zu bytes are taken, expected %zu", some, expected);
    for (size_t i = 0; i < some; i++)
        if (bytes[i] != (*next)++) fail_msg("byte %zu is another", i);
}

static void expect_owned(const struct outbox *box) {
    size_t left = outbox_len(box), most = left * OWNED_PART > OWNED_MIN ? left * OWNED_PART : OWNED_MIN;
    if (box->capacity > most) fail_msg("%u bytes are owned for %zu", box->capacity, left);
}

/* A client could keep the memory of every message by leaving its last byte. */
static void the_last_byte_owns_little(void **state) {
    (void)state;
    struct outbox box = {0};
    uint8_t added = 0, taken = 0;
    add_bytes(&box, BYTES, &added);
    take_bytes(&box, BYTES - 1, BYTES - 1, &taken);
    expect_owned(&box);
    take_bytes(&box, 10, 1, &taken);
    if (box.bytes != NULL || box.capacity != 0) fail_msg("an empty box owns %u bytes", box.capacity);
}

static void pieces_of_any_size(void **state) {
    (void)state;
    struct outbox box = {0};
    uint8_t added = 0, taken = 0;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t some = (size_t)rand() % 700, len = outbox_len(&box);
        if (rand() % 2 == 0) add_bytes(&box, some, &added);
        else take_bytes(&box, some, some < len ? some : len, &taken);
        expect_owned(&box);
    }
    outbox_free(&box);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_byte_owns_little),
                                       cmocka_unit_test(pieces_of_any_size)};
    return cmocka_run_group_tests_name("gRPC: outboxes", tests, NULL, NULL);
}
