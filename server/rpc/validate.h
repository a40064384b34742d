/* Whether a request's fields are what the contract allows; where one is not, the refusal names it and the limit. */
#ifndef MUSTER_RPC_VALIDATE_H
#define MUSTER_RPC_VALIDATE_H

#include "call.h"

/* Where a field is: `beats[3].user` is {"beats", 3, "user"}, `users[5]` {"users", 5, NULL}, `scope` {NULL, 0, "scope"}.
 */
struct path {
    const char *list;
    size_t index;
    const char *field;
};

/* All return MUSTER_OK or MUSTER_INVALID_ARGUMENT with the call's message written. */

/* 1..MUSTER_ID_BYTES_MAX bytes of UTF-8 without NUL. */
enum muster_code check_id(struct call *call, struct text id, struct path path);
/* The same, or empty. */
enum muster_code check_optional_id(struct call *call, struct text id, struct path path);
/* A scope that may be left out: *scope is then the default one. */
enum muster_code check_scope(struct call *call, struct text sent, struct text *scope);
/* least..most, in units that the name of the field says. */
enum muster_code check_range(struct call *call, uint64_t value, uint64_t least, uint64_t most, struct path path);
/* How many elements a list has. */
enum muster_code check_count(struct call *call, size_t count, size_t least, size_t most, const char *list);
/* How large a page is asked for, 0 being the default. */
enum muster_code check_page_size(struct call *call, uint32_t asked, size_t *page_size);
/* A page token. *after is NULL for an empty one, else points to *hash. */
enum muster_code check_page_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk, uint64_t *hash,
                                  const uint64_t **after);

#endif
