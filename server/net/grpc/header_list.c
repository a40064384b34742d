/* The headers of a request. */
#include "grpc_door_internal.h"

#include <stdlib.h>

static struct header_field *fields_of(const struct header_list *list) {
    return list->items != NULL ? list->items : (struct header_field *)(uintptr_t)list->few;
}

static bool grow_list(struct header_list *list) {
    size_t capacity = list->items != NULL ? (size_t)list->capacity * 2 : CALL_HEADERS_INLINE * 2;
    struct header_field *items = realloc(list->items, capacity * sizeof *items);
    if (items == NULL) return false;
    if (list->items == NULL) memcpy(items, list->few, sizeof list->few);
    list->items = items;
    list->capacity = (uint16_t)capacity;
    return true;
}

bool header_list_add(struct header_list *list, nghttp2_rcbuf *name, nghttp2_rcbuf *value) {
    size_t capacity = list->items != NULL ? list->capacity : CALL_HEADERS_INLINE;
    if (list->count == capacity && !grow_list(list)) return false;
    nghttp2_rcbuf_incref(name);
    nghttp2_rcbuf_incref(value);
    fields_of(list)[list->count++] = (struct header_field){name, value};
    return true;
}

static struct text text_of_rcbuf(nghttp2_rcbuf *buffer) {
    nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
    return (struct text){(const char *)bytes.base, (uint32_t)bytes.len};
}

struct text header_list_find(const struct header_list *list, struct text name, size_t i) {
    for (size_t at = 0; at < list->count; at++) {
        const struct header_field *field = &fields_of(list)[at];
        if (text_equal(text_of_rcbuf(field->name), name) && i-- == 0) return text_of_rcbuf(field->value);
    }
    return (struct text){0};
}

void header_list_free(struct header_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        nghttp2_rcbuf_decref(fields_of(list)[i].name);
        nghttp2_rcbuf_decref(fields_of(list)[i].value);
    }
    free(list->items);
    list->items = NULL;
    list->count = list->capacity = 0;
}
