/* Page tokens: where the next page of a walk begins, as opaque text that every node of a cluster understands.
 *
 * base64url of: version (1 byte), kind of walk (1), a digest of what is walked (8), the hash after which it goes on
 * (8), a MAC of all that (8). The key is derived from the cluster's hash key: nobody else can make a token. */
#ifndef MUSTER_RPC_PAGE_TOKEN_H
#define MUSTER_RPC_PAGE_TOKEN_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { PAGE_TOKEN_BYTES = 26, PAGE_TOKEN_CHARS = 35, PAGE_TOKEN_KEY_BYTES = 16 };

enum walk_kind { WALK_LIST = 1, WALK_SCOPES = 2 };

/* What is walked. A token is valid for the same walk only. */
struct walk {
    enum walk_kind kind;
    struct text scope; /* of WALK_LIST */
    uint32_t statuses; /* of WALK_LIST: the mask of the filter */
};

struct page_token_key {
    unsigned char bytes[PAGE_TOKEN_KEY_BYTES];
};

enum page_token_verdict {
    PAGE_TOKEN_GOOD,
    PAGE_TOKEN_FOREIGN, /* not made with this key, or damaged */
    PAGE_TOKEN_OF_OTHER_WALK,
};

/* hash_key: the cluster's, 16 bytes. */
struct page_token_key page_token_key(const uint8_t hash_key[16]);

/* Writes PAGE_TOKEN_CHARS characters and a NUL. */
void page_token_write(const struct page_token_key *key, const struct walk *walk, uint64_t hash,
                      char out[PAGE_TOKEN_CHARS + 1]);

/* *hash is 0 unless the token is good. */
enum page_token_verdict page_token_read(const struct page_token_key *key, const struct walk *walk, struct text token,
                                        uint64_t *hash);

#endif
