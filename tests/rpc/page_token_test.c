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
    const struct walk walks[] = {{.kind = WALK_LIST, .scope = text_of("scope"), .statuses = 14},
                                 {.kind = WALK_SCOPES},
                                 {.kind = WALK_WHERE, .scope = text_of("room:"), .users = 7}};
    const uint64_t hashes[] = {0, 1, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
    for (size_t i = 0; i < 12; i++) {
        char token[PAGE_TOKEN_CHARS + 1];
        const struct walk *walk = &walks[i % 3];
        struct walk_position at, written = {hashes[i / 3], walk->kind == WALK_WHERE ? (uint16_t)(i * 5000) : 0};
        page_token_write(&key, walk, written, token);
        if (strlen(token) != PAGE_TOKEN_CHARS) fail_msg("%zu characters", strlen(token));
        if (page_token_read(&key, walk, text_of(token), &at) != PAGE_TOKEN_GOOD || at.hash != written.hash ||
            at.user != written.user)
            fail_msg("%s is read as %llx, %u", token, (unsigned long long)at.hash, at.user);
    }
}

/* Who is looked for, and where, is part of the walk. */
static void a_token_of_other_users_is_refused(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct text one[] = {text_of("ada"), text_of("bob")}, other[] = {text_of("adab"), text_of("ob")};
    const uint64_t users = page_token_digest(&key, one, 2);
    assert_true(users != page_token_digest(&key, other, 2));
    assert_true(users != page_token_digest(&key, one, 1));
    const struct walk walk = {.kind = WALK_WHERE, .scope = text_of("room:"), .users = users};
    const struct walk others[] = {{.kind = WALK_WHERE, .scope = text_of("room:"), .users = users + 1},
                                  {.kind = WALK_WHERE, .scope = text_of("room"), .users = users},
                                  {.kind = WALK_LIST, .scope = text_of("room:")}};
    char token[PAGE_TOKEN_CHARS + 1];
    struct walk_position at;
    page_token_write(&key, &walk, (struct walk_position){7, 3}, token);
    for (size_t i = 0; i < 3; i++)
        if (page_token_read(&key, &others[i], text_of(token), &at) != PAGE_TOKEN_OF_OTHER_WALK || at.user != 0)
            fail_msg("walk %zu", i);
}

/* What was given out once must be understood by later versions: a golden token. */
static void a_token_that_was_given_out(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {.kind = WALK_LIST, .scope = text_of("scope"), .statuses = 14};
    char token[PAGE_TOKEN_CHARS + 1];
    page_token_write(&key, &walk, (struct walk_position){.hash = UINT64_C(0x0123456789abcdef)}, token);
    assert_string_equal(token, "AQEeQgRSg9us7QEjRWeJq83vbyRacBbKxuE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(a_token_of_other_users_is_refused),
        cmocka_unit_test(a_token_that_was_given_out),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests_name("page token", tests, NULL, NULL);
}
