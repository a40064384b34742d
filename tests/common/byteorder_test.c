/* Byte order is as the names say. */
#include "common/byteorder.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void byte_order_is_as_named(void **state) {
    (void)state;
    uint8_t raw[8];
    static const uint8_t big[8] = {1, 2, 3, 4, 5, 6, 7, 8}, little[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    put_be64(raw, UINT64_C(0x0102030405060708));
    assert_memory_equal(raw, big, 8);
    put_le64(raw, UINT64_C(0x0102030405060708));
    assert_memory_equal(raw, little, 8);
    put_be32(raw, 0x01020304);
    put_be16(raw + 4, 0x0506);
    assert_memory_equal(raw, big, 6);
    put_le32(raw, 0x05060708);
    put_le16(raw + 4, 0x0304);
    assert_memory_equal(raw, little, 6);
    if (get_be64(big) != get_le64(little) || get_be32(big) != get_le32(little + 4) ||
        get_be16(big) != get_le16(little + 6) || get_be16(big) != 0x0102)
        fail_msg("numbers are not read as they are written");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_order_is_as_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
