#include "descriptors.h"

/* proto/CMakeLists.txt makes them. */
extern const unsigned char embedded_descriptors[];
extern const unsigned int embedded_descriptors_len;

/* Field numbers of descriptor.proto. */
enum {
    SET_FILE = 1,
    ANY_NAME = 1, /* of every descriptor */
    FILE_PACKAGE = 2,
    FILE_SERVICE = 6,
};

enum { NESTING_MAX = 32 }; /* of messages in messages */

/* What declares symbols, and in which field. A file is no symbol. */
enum scope { SCOPE_FILE, SCOPE_MESSAGE, SCOPE_ENUM, SCOPE_SERVICE, SCOPE_NONE };
static const struct declaration {
    enum scope scope;
    uint32_t number;
    enum symbol_kind kind;
    enum scope inner;
} declarations[] = {
    {SCOPE_FILE, 4, SYMBOL_MESSAGE, SCOPE_MESSAGE}, {SCOPE_FILE, 5, SYMBOL_ENUM, SCOPE_ENUM},
    {SCOPE_FILE, 6, SYMBOL_SERVICE, SCOPE_SERVICE}, {SCOPE_FILE, 7, SYMBOL_FIELD, SCOPE_NONE},
    {SCOPE_MESSAGE, 2, SYMBOL_FIELD, SCOPE_NONE},   {SCOPE_MESSAGE, 3, SYMBOL_MESSAGE, SCOPE_MESSAGE},
    {SCOPE_MESSAGE, 4, SYMBOL_ENUM, SCOPE_ENUM},    {SCOPE_MESSAGE, 6, SYMBOL_FIELD, SCOPE_NONE},
    {SCOPE_MESSAGE, 8, SYMBOL_FIELD, SCOPE_NONE},   {SCOPE_ENUM, 2, SYMBOL_VALUE, SCOPE_NONE},
    {SCOPE_SERVICE, 2, SYMBOL_METHOD, SCOPE_NONE},
};

struct text descriptors_embedded(void) {
    return (struct text){(const char *)embedded_descriptors, embedded_descriptors_len};
}

static const struct declaration *declaration_of(enum scope scope, const struct pb_field *field) {
    for (size_t i = 0; i < sizeof declarations / sizeof declarations[0]; i++)
        if (declarations[i].scope == scope && field->tag == PB_TAG(declarations[i].number, PB_BYTES))
            return &declarations[i];
    return NULL;
}

/* The first text with that number; empty: there is none. */
static struct text find_text(struct text descriptor, uint32_t number) {
    struct pb_reader in = pb_read(descriptor);
    for (struct pb_field field; pb_next(&in, &field);)
        if (field.tag == PB_TAG(number, PB_BYTES)) return field.bytes;
    return (struct text){0};
}

/* Whether a symbol begins with a name and a dot; then it is what follows them. */
static bool strip_name(struct text *symbol, struct text name) {
    if (name.len == 0 || symbol->len <= name.len || symbol->data[name.len] != '.') return false;
    if (memcmp(symbol->data, name.data, name.len) != 0) return false;
    *symbol = (struct text){symbol->data + name.len + 1, symbol->len - name.len - 1};
    return true;
}

static enum symbol_kind find_symbol(struct text descriptor, enum scope scope, struct text symbol, int nesting) {
    struct pb_reader in = pb_read(descriptor);
    for (struct pb_field field; pb_next(&in, &field);) {
        const struct declaration *declaration = declaration_of(scope, &field);
        if (declaration == NULL) continue;
        struct text name = find_text(field.bytes, ANY_NAME), rest = symbol;
        if (name.len > 0 && text_equal(name, symbol)) return declaration->kind;
        bool is_inside =
            declaration->inner == SCOPE_ENUM || (declaration->inner != SCOPE_NONE && strip_name(&rest, name));
        if (!is_inside || nesting == 0) continue;
        enum symbol_kind kind = find_symbol(field.bytes, declaration->inner, rest, nesting - 1);
        if (kind != SYMBOL_NONE) return kind;
    }
    return SYMBOL_NONE;
}

struct text descriptors_file(struct text set, struct text name) {
    struct pb_reader in = pb_read(set);
    for (struct pb_field file; pb_next(&in, &file);)
        if (file.tag == PB_TAG(SET_FILE, PB_BYTES) && text_equal(find_text(file.bytes, ANY_NAME), name))
            return file.bytes;
    return (struct text){0};
}

struct text descriptors_symbol(struct text set, struct text symbol, enum symbol_kind *kind) {
    struct pb_reader in = pb_read(set);
    for (struct pb_field file; pb_next(&in, &file);) {
        if (file.tag != PB_TAG(SET_FILE, PB_BYTES)) continue;
        struct text package = find_text(file.bytes, FILE_PACKAGE), rest = symbol;
        if (package.len > 0 && !strip_name(&rest, package)) continue;
        *kind = find_symbol(file.bytes, SCOPE_FILE, rest, NESTING_MAX);
        if (*kind != SYMBOL_NONE) return file.bytes;
    }
    *kind = SYMBOL_NONE;
    return (struct text){0};
}

bool service_walk_next(struct service_walk *walk) {
    for (;;) {
        struct pb_field field;
        while (pb_next(&walk->fields, &field))
            if (field.tag == PB_TAG(FILE_SERVICE, PB_BYTES)) {
                walk->name = find_text(field.bytes, ANY_NAME);
                return true;
            }
        do {
            if (!pb_next(&walk->files, &field)) return false;
        } while (field.tag != PB_TAG(SET_FILE, PB_BYTES));
        walk->package = find_text(field.bytes, FILE_PACKAGE);
        walk->fields = pb_read(field.bytes);
    }
}
