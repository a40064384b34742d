/* Page tokens. */
#include "rpc/page_token.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void tokens_come_back(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {WALK_LIST, text_of("scope"), 14};
    const uint64_t places[] = {0, 1, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
    for (size_t i = 0; i < 4; i++) {
        char token[PAGE_TOKEN_CHARS + 1];
        uint64_t place;
        page_token_write(&key, &walk, places[i], token);
        if (strlen(token) != PAGE_TOKEN_CHARS) fail_msg("%zu characters", strlen(token));
        if (page_token_read(&key, &walk, text_of(token), &place) != PAGE_TOKEN_GOOD || place != places[i])
            fail_msg("%s is read as %llx", token, (unsigned long long)place);
    }
}

/* What was given out once must be understood by later versions: a golden token. */
static void a_token_that_was_given_out(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {WALK_LIST, text_of("scope"), 14};
    char token[PAGE_TOKEN_CHARS + 1];
    page_token_write(&key, &walk, UINT64_C(0x0123456789abcdef), token);
    assert_string_equal(token, "AQEeQgRSg9us7QEjRWeJq83vbyRacBbKxuE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(a_token_that_was_given_out),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests_name("page token", tests, NULL, NULL);
}
