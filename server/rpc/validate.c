#include "validate.h"
#include "common/utf8.h"
#include "muster/limits.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_BYTES = 64 };

static const char *path_text(struct path path, char out[PATH_BYTES]) {
    if (path.list == NULL) snprintf(out, PATH_BYTES, "%s", path.field);
    else if (path.field == NULL) snprintf(out, PATH_BYTES, "%s[%zu]", path.list, path.index);
    else snprintf(out, PATH_BYTES, "%s[%zu].%s", path.list, path.index, path.field);
    return out;
}

enum muster_code validate_optional_id(struct call *call, struct text id, struct path path) {
    char where[PATH_BYTES];
    uint32_t at;
    if (id.len > MUSTER_ID_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: %" PRIu32 " bytes, at most %d", path_text(path, where),
                           id.len, MUSTER_ID_BYTES_MAX);
    switch (utf8_check(id, &at)) {
    case UTF8_GOOD:
        return MUSTER_OK;
    case UTF8_HAS_NUL:
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: NUL at byte %" PRIu32 ", must be UTF-8 without NUL",
                           path_text(path, where), at);
    case UTF8_BROKEN:
        break;
    }
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: broken UTF-8 at byte %" PRIu32, path_text(path, where), at);
}

enum muster_code validate_id(struct call *call, struct text id, struct path path) {
    char where[PATH_BYTES];
    if (id.len == 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: empty, 1 to %d bytes", path_text(path, where),
                           MUSTER_ID_BYTES_MAX);
    return validate_optional_id(call, id, path);
}

enum muster_code validate_scope(struct call *call, struct text sent, struct text *scope) {
    *scope = text_of(MUSTER_SCOPE_DEFAULT);
    if (sent.len == 0) return MUSTER_OK;
    enum muster_code code = validate_id(call, sent, (struct path){.field = "scope"});
    if (code == MUSTER_OK) *scope = sent;
    return code;
}

enum muster_code validate_range(struct call *call, uint64_t value, uint64_t least, uint64_t most, struct path path) {
    char where[PATH_BYTES];
    if (value < least)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: %" PRIu64 ", at least %" PRIu64, path_text(path, where),
                           value, least);
    if (value > most)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: %" PRIu64 ", at most %" PRIu64, path_text(path, where),
                           value, most);
    return MUSTER_OK;
}

enum muster_code validate_count(struct call *call, size_t count, size_t least, size_t most, const char *list) {
    if (count < least) return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: none, at least %zu", list, least);
    if (count > most) return call_refuse(call, MUSTER_INVALID_ARGUMENT, "%s: %zu, at most %zu", list, count, most);
    return MUSTER_OK;
}

enum muster_code validate_page_size(struct call *call, uint32_t asked, size_t *page_size) {
    *page_size = asked == 0 ? MUSTER_PAGE_DEFAULT : asked;
    return validate_range(call, *page_size, 1, MUSTER_PAGE_MAX, (struct path){.field = "page_size"});
}

/* `fields`: what must be the same in every page. */
static enum muster_code read_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk,
                                   const char *fields, struct walk_position *at) {
    *at = (struct walk_position){0};
    if (field.len == 0) return MUSTER_OK;
    switch (page_token_read(&call->rpc->token_key, walk, text_of_field(field), at)) {
    case PAGE_TOKEN_GOOD:
        return MUSTER_OK;
    case PAGE_TOKEN_OF_OTHER_WALK:
        return call_refuse(call, MUSTER_INVALID_ARGUMENT,
                           "page_token: is of another walk; %s must be the same in every page", fields);
    case PAGE_TOKEN_FOREIGN:
        break;
    }
    return call_refuse(call, MUSTER_INVALID_ARGUMENT, "page_token: was not given out by this cluster, or is damaged");
}

enum muster_code validate_page_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk,
                                     uint64_t *hash, const uint64_t **after) {
    struct walk_position at;
    enum muster_code code = read_token(call, field, walk, "call, scope and statuses", &at);
    *hash = at.hash;
    *after = code == MUSTER_OK && field.len > 0 ? hash : NULL;
    return code;
}

enum muster_code validate_where_token(struct call *call, ProtobufCBinaryData field, const struct walk *walk,
                                      struct walk_position *at) {
    return read_token(call, field, walk, "call, users and scope_prefix", at);
}
