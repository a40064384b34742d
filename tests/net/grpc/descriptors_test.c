/* The descriptors that are embedded, against what protoc-c generates from the same contracts: every service, method,
 * message, field, enum and value is found, in the file that declares it. */
#include "net/grpc/services/descriptors.h"

#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <grpc/reflection/v1alpha/reflection.pb-c.h>
#include <muster/v1/presence.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { NAME_BYTES = 256, SCOPE_BYTES = 128, FOUND_MIN = 150 };

static size_t found;

static void expect_symbol(const char *file, const char *symbol, enum symbol_kind expected) {
    enum symbol_kind kind;
    struct text set = descriptors_embedded(), declared = descriptors_symbol(set, text_of(symbol), &kind);
    if (kind != expected) fail_msg("%s is %d, not %d", symbol, kind, expected);
    struct text named = descriptors_file(set, text_of(file));
    if (declared.data != named.data || declared.len != named.len || named.len == 0)
        fail_msg("%s is not in %s", symbol, file);
    found++;
}

static void expect_inner(const char *file, const char *outer, const char *name, enum symbol_kind expected) {
    char symbol[NAME_BYTES];
    snprintf(symbol, sizeof symbol, "%s.%s", outer, name);
    expect_symbol(file, symbol, expected);
}

/* A value is named as a sibling of its enum. */
static void expect_enum(const char *file, const ProtobufCEnumDescriptor *descriptor) {
    char scope[SCOPE_BYTES];
    expect_symbol(file, descriptor->name, SYMBOL_ENUM);
    snprintf(scope, sizeof scope, "%s", descriptor->name);
    *strrchr(scope, '.') = '\0';
    for (unsigned i = 0; i < descriptor->n_values; i++)
        expect_inner(file, scope, descriptor->values[i].name, SYMBOL_VALUE);
}

static void expect_message(const char *file, const ProtobufCMessageDescriptor *descriptor) {
    expect_symbol(file, descriptor->name, SYMBOL_MESSAGE);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        expect_inner(file, descriptor->name, field->name, SYMBOL_FIELD);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) expect_message(file, field->descriptor);
        if (field->type == PROTOBUF_C_TYPE_ENUM) expect_enum(file, field->descriptor);
    }
}

static void expect_service(const char *file, const ProtobufCServiceDescriptor *descriptor) {
    expect_symbol(file, descriptor->name, SYMBOL_SERVICE);
    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        expect_inner(file, descriptor->name, descriptor->methods[i].name, SYMBOL_METHOD);
        expect_message(file, descriptor->methods[i].input);
        expect_message(file, descriptor->methods[i].output);
    }
}

static void every_symbol(void **state) {
    (void)state;
    found = 0;
    expect_service("muster/v1/presence.proto", &muster__v1__presence__descriptor);
    expect_service("grpc/health/v1/health.proto", &grpc__health__v1__health__descriptor);
    expect_service("grpc/reflection/v1/reflection.proto", &grpc__reflection__v1__server_reflection__descriptor);
    expect_service("grpc/reflection/v1alpha/reflection.proto",
                   &grpc__reflection__v1alpha__server_reflection__descriptor);
    expect_symbol("grpc/reflection/v1/reflection.proto", "grpc.reflection.v1.ServerReflectionRequest.message_request",
                  SYMBOL_FIELD);
    if (found < FOUND_MIN) fail_msg("only %zu symbols were looked for", found);
}

static void what_is_no_symbol(void **state) {
    (void)state;
    static const char *const symbols[] = {
        "",
        ".",
        "muster",
        "muster.v1",
        "muster.v1.",
        ".muster.v1.Presence",
        "muster.v1.Presence.",
        "muster.v1.Presence.Touc",
        "muster.v1.Presence.Touch.",
        "muster.v1.Presence.Touch.name",
        "muster.v1.Status.STATUS_BUSY",
        "muster.v1.Nothing",
        "muster.v2.Presence",
        "muster.v11.Presence",
        "Presence",
        "grpc.health.v1.Presence",
        "grpc.reflection.v1.Health",
        "muster.v1.cluster",
        "muster.v1.NodeFrame",
    };
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        enum symbol_kind kind = SYMBOL_ENUM;
        if (descriptors_symbol(descriptors_embedded(), text_of(symbols[i]), &kind).len != 0 || kind != SYMBOL_NONE)
            fail_msg("\"%s\" is a symbol", symbols[i]);
    }
    static const char *const files[] = {"", "presence.proto", "muster/v1/presence.prot", "muster/v1/cluster.proto"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (descriptors_file(descriptors_embedded(), text_of(files[i])).len != 0)
            fail_msg("\"%s\" is a file", files[i]);
}

/* The descriptor in field `number` of `outer` that has this name. */
static struct text find_inner(struct text outer, uint32_t number, const char *name) {
    struct pb_reader in = pb_read(outer);
    for (struct pb_field field; pb_next(&in, &field);) {
        if (field.tag != PB_TAG(number, PB_BYTES)) continue;
        struct pb_reader inner = pb_read(field.bytes);
        for (struct pb_field part; pb_next(&inner, &part);)
            if (part.tag == PB_TAG(1, PB_BYTES) && text_equal(part.bytes, text_of(name))) return field.bytes;
    }
    fail_msg("there is no %s", name);
    return (struct text){0};
}

/* The contract as it is, not the copy in which strings are bytes; and with its comments. */
static void the_contract_as_it_is(void **state) {
    (void)state;
    enum { FILE_MESSAGE = 4, FILE_SOURCE = 9, MESSAGE_FIELD = 2, FIELD_TYPE = 5, TYPE_STRING = 9 };
    struct text file = descriptors_file(descriptors_embedded(), text_of("muster/v1/presence.proto"));
    struct text user = find_inner(find_inner(file, FILE_MESSAGE, "Beat"), MESSAGE_FIELD, "user");
    uint64_t type = 0;
    struct pb_reader in = pb_read(user);
    for (struct pb_field field; pb_next(&in, &field);)
        if (field.number == FIELD_TYPE) type = field.value;
    assert_int_equal(type, TYPE_STRING);
    bool has_source = false;
    in = pb_read(file);
    for (struct pb_field field; pb_next(&in, &field);) has_source |= field.number == FILE_SOURCE && field.bytes.len > 0;
    assert_true(has_source);
}

static void services(void **state) {
    (void)state;
    static const char *const expected[] = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection", "muster.v1.Presence"};
    size_t count = 0;
    for (struct service_walk walk = {.files = pb_read(descriptors_embedded())}; service_walk_next(&walk); count++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%.*s.%.*s", (int)walk.package.len, walk.package.data, (int)walk.name.len,
                 walk.name.data);
        if (count >= sizeof expected / sizeof expected[0] || strcmp(name, expected[count]) != 0)
            fail_msg("service %zu is %s", count, name);
    }
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
}

/* A file of two nested messages and no package, cut anywhere: what is left is found, and nothing else. */
static void sets_that_are_cut(void **state) {
    (void)state;
    static const char set[] = "\x0a\x14" /* a file */
                              "\x0a\x01"
                              "f" /* its name */
                              "\x22\x0f\x0a\x01"
                              "A" /* a message */
                              "\x1a\x0a\x0a\x01"
                              "B" /* in it another */
                              "\x12\x05\x0a\x03"
                              "one"; /* a field */
    struct text whole = {set, sizeof set - 1};
    enum symbol_kind kind;
    assert_int_equal(descriptors_symbol(whole, text_of("A.B.one"), &kind).len, 0x14);
    assert_int_equal(kind, SYMBOL_FIELD);
    for (uint32_t len = 0; len < whole.len; len++) {
        char *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        memcpy(copy, set, len);
        struct text cut = {copy, len};
        if (descriptors_symbol(cut, text_of("A.B.one"), &kind).len != 0) fail_msg("%u bytes have all", len);
        if (descriptors_file(cut, text_of("f")).len != 0) fail_msg("%u bytes have the file", len);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_symbol), cmocka_unit_test(what_is_no_symbol), cmocka_unit_test(the_contract_as_it_is),
        cmocka_unit_test(services),     cmocka_unit_test(sets_that_are_cut),
    };
    return cmocka_run_group_tests_name("net: descriptors", tests, NULL, NULL);
}
