/* A page token is read if it was written for that walk, and only then. */
#include "fuzz.h"
#include "rpc/page_token.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {WALK_LIST, {"scope", 5}, 14};
    uint64_t place, written;
    char token[PAGE_TOKEN_CHARS + 1];
    if (page_token_read(&key, &walk, (struct text){(const char *)data, (uint32_t)size}, &place) == PAGE_TOKEN_GOOD) {
        page_token_write(&key, &walk, place, token);
        hold(size == PAGE_TOKEN_CHARS && memcmp(token, data, size) == 0);
    } else {
        hold(place == 0);
    }
    if (size < 12) return 0;
    memcpy(&written, data, 8);
    const struct walk own = {
        data[8] & 1 ? WALK_LIST : WALK_SCOPES, {(const char *)data + 9, (uint32_t)size - 9}, data[8]};
    page_token_write(&key, &own, written, token);
    hold(page_token_read(&key, &own, text_of(token), &place) == PAGE_TOKEN_GOOD && place == written);
    if (own.scope.len <= 128) hold(page_token_read(&key, &walk, text_of(token), &place) == PAGE_TOKEN_OF_OTHER_WALK);
    return 0;
}
