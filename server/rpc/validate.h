/* Validates the fields of a request. A refusal names the field and the limit. */
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

/* All return MUSTER_OK, or refuse the call with MUSTER_INVALID_ARGUMENT. */

/* 1..MUSTER_ID_BYTES_MAX bytes of UTF-8 without NUL. */
enum muster_code validate_id(struct call *call, struct text id, struct path path);
/* The same, or empty. */
enum muster_code validate_optional_id(struct call *call, struct text id, struct path path);
/* A scope, or none: then *scope is the default one. */
enum muster_code validate_scope(struct call *call, struct text sent, struct text *scope);
/* least..most, in the unit that the name of the field says. */
enum muster_code validate_range(struct call *call, uint64_t value, uint64_t least, uint64_t most, struct path path);
/* The number of elements of a list. */
enum muster_code validate_count(struct call *call, size_t count, size_t least, size_t most, const char *list);
/* The size of a page; 0 stands for the default. */
enum muster_code validate_page_size(struct call *call, uint32_t asked, size_t *page_size);
/* A page token, or none: then *after is NULL. Else *after points to *hash. */
enum muster_code validate_page_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk,
                                     uint64_t *hash, const uint64_t **after);
/* The same for a walk of kind WALK_WHERE; none: *at is the beginning. */
enum muster_code validate_where_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk,
                                      struct walk_position *at);

#endif
