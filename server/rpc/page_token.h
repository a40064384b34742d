/* Page tokens: where the next page of a walk begins, as opaque text that every node of a cluster understands.
 *
 * base64url of: version (1 byte), kind of walk (1), a digest of what is walked (8), the hash at which it goes on (8), a
 * MAC of all that (8). In a token of WALK_WHERE the digest has 6 bytes, and 2 are the user at whom it goes on. The key
 * is derived from the cluster's hash key: nobody else can make a token. */
#ifndef MUSTER_RPC_PAGE_TOKEN_H
#define MUSTER_RPC_PAGE_TOKEN_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_TOKEN_BYTES = 26, PAGE_TOKEN_CHARS = 35, PAGE_TOKEN_KEY_BYTES = 16 };

enum walk_kind { WALK_LIST = 1, WALK_SCOPES = 2, WALK_WHERE = 3 };

/* What is walked. A token is valid for the same walk only. */
struct walk {
    enum walk_kind kind;
    struct text scope; /* of WALK_LIST; of WALK_WHERE: the prefix */
    uint32_t statuses; /* of WALK_LIST: the mask of the filter */
    uint64_t users;    /* of WALK_WHERE: page_token_digest of who is looked for */
};

/* Where a walk goes on. */
struct walk_position {
    uint64_t hash;
    uint16_t user; /* of WALK_WHERE: the index of the user; else 0 */
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

/* A keyed digest of a list of names, in their order. */
uint64_t page_token_digest(const struct page_token_key *key, const struct text *names, size_t n);

/* Writes PAGE_TOKEN_CHARS characters and a NUL. */
void page_token_write(const struct page_token_key *key, const struct walk *walk, struct walk_position at,
                      char out[PAGE_TOKEN_CHARS + 1]);

/* *at is zero unless the token is good. */
enum page_token_verdict page_token_read(const struct page_token_key *key, const struct walk *walk, struct text token,
                                        struct walk_position *at);

#endif
