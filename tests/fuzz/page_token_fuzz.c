/* A page token is read if it was written for that walk, and only then. */
#include "fuzz.h"
#include "rpc/page_token.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {.kind = WALK_LIST, .scope = {"scope", 5}, .statuses = 14};
    struct walk_position at, written = {0};
    char token[PAGE_TOKEN_CHARS + 1];
    if (page_token_read(&key, &walk, (struct text){(const char *)data, (uint32_t)size}, &at) == PAGE_TOKEN_GOOD) {
        page_token_write(&key, &walk, at, token);
        hold(size == PAGE_TOKEN_CHARS && memcmp(token, data, size) == 0);
    } else {
        hold(at.hash == 0 && at.user == 0);
    }
    if (size < 12) return 0;
    memcpy(&written.hash, data, 8);
    static const enum walk_kind kinds[] = {WALK_SCOPES, WALK_LIST, WALK_WHERE, WALK_WHERE};
    const struct walk own = {.kind = kinds[data[8] & 3],
                             .scope = {(const char *)data + 9, (uint32_t)size - 9},
                             .statuses = data[8],
                             .users = data[9]};
    if (own.kind == WALK_WHERE) memcpy(&written.user, data + 10, 2);
    page_token_write(&key, &own, written, token);
    hold(page_token_read(&key, &own, text_of(token), &at) == PAGE_TOKEN_GOOD && at.hash == written.hash &&
         at.user == written.user);
    if (own.scope.len <= 128) hold(page_token_read(&key, &walk, text_of(token), &at) == PAGE_TOKEN_OF_OTHER_WALK);
    return 0;
}
