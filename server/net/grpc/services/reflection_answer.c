#include "reflection_answer.h"

#include "common/protobuf.h"
#include "common/utf8.h"
#include "descriptors.h"

#include <assert.h>
#include <stdlib.h>

/* ServerReflectionRequest: its host, and the numbers of its oneof. */
enum { REQUEST_HOST = 1 };
enum question {
    ASKED_NOTHING = 0,
    ASKED_FILE = 3,
    ASKED_SYMBOL = 4,
    ASKED_EXTENSION = 5,
    ASKED_EXTENSION_NUMBERS = 6,
    ASKED_SERVICES = 7,
};

/* ServerReflectionResponse, and what its oneof has. */
enum {
    RESPONSE_HOST = 1,
    RESPONSE_REQUEST = 2,
    RESPONSE_FILES = 4,
    RESPONSE_EXTENSION_NUMBERS = 5,
    RESPONSE_SERVICES = 6,
    RESPONSE_ERROR = 7,
    FILES_FILE = 1,
    NUMBERS_TYPE = 1,
    SERVICES_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,
};

enum {
    OVERHEAD_BYTES = 256,        /* tags, lengths and the message of an error */
    SERVICE_OVERHEAD_BYTES = 16, /* of each: tags, lengths, the dot */
};

struct request {
    struct text host;
    enum question question;
    struct text value; /* of the question; of ASKED_EXTENSION an encoded ExtensionRequest */
};

/* False: it is no ServerReflectionRequest. */
static bool read_request(struct text bytes, struct request *request) {
    *request = (struct request){0};
    struct pb_reader in = pb_read(bytes);
    for (struct pb_field field; pb_next(&in, &field);) {
        if (field.type != PB_BYTES) continue;
        bool is_question = field.number >= ASKED_FILE && field.number <= ASKED_SERVICES;
        bool is_text = is_question ? field.number != ASKED_EXTENSION : field.number == REQUEST_HOST;
        if (is_text && !utf8_valid(field.bytes.data, field.bytes.len)) return false;
        if (field.number == REQUEST_HOST) request->host = field.bytes;
        if (!is_question) continue;
        request->question = (enum question)field.number;
        request->value = field.bytes;
    }
    return !in.is_broken;
}

static void write_error(struct pb_writer *out, enum muster_code code, const char *message) {
    uint8_t *begun = pb_begin(out, RESPONSE_ERROR);
    pb_write_number(out, ERROR_CODE, code);
    pb_write_text(out, ERROR_MESSAGE, text_of(message));
    pb_end(out, begun);
}

static void write_file(struct pb_writer *out, struct text file, const char *missing) {
    if (file.len == 0) {
        write_error(out, MUSTER_NOT_FOUND, missing);
        return;
    }
    uint8_t *begun = pb_begin(out, RESPONSE_FILES);
    pb_write_element(out, FILES_FILE, file);
    pb_end(out, begun);
}

static void write_services(struct pb_writer *out, struct text set) {
    uint8_t *begun = pb_begin(out, RESPONSE_SERVICES);
    for (struct service_walk walk = {.files = pb_read(set)}; service_walk_next(&walk);) {
        uint8_t *service = pb_begin(out, SERVICES_SERVICE), *name = pb_begin(out, SERVICE_NAME);
        pb_append_bytes(out, walk.package.data, walk.package.len);
        if (walk.package.len > 0) pb_append_bytes(out, ".", 1);
        pb_append_bytes(out, walk.name.data, walk.name.len);
        pb_end(out, name);
        pb_end(out, service);
    }
    pb_end(out, begun);
}

/* Contracts of proto3 have no extensions. */
static void write_extension_numbers(struct pb_writer *out, struct text set, struct text type) {
    enum symbol_kind kind;
    (void)descriptors_symbol(set, type, &kind);
    if (kind != SYMBOL_MESSAGE) {
        write_error(out, MUSTER_NOT_FOUND, "there is no such message");
        return;
    }
    uint8_t *begun = pb_begin(out, RESPONSE_EXTENSION_NUMBERS);
    pb_write_text(out, NUMBERS_TYPE, type);
    pb_end(out, begun);
}

static void write_answer(struct pb_writer *out, struct text set, const struct request *request) {
    enum symbol_kind kind;
    switch (request->question) {
    case ASKED_FILE:
        write_file(out, descriptors_file(set, request->value), "there is no such file");
        break;
    case ASKED_SYMBOL:
        write_file(out, descriptors_symbol(set, request->value, &kind), "there is no such symbol");
        break;
    case ASKED_EXTENSION:
        write_error(out, MUSTER_NOT_FOUND, "there is no such extension");
        break;
    case ASKED_EXTENSION_NUMBERS:
        write_extension_numbers(out, set, request->value);
        break;
    case ASKED_SERVICES:
        write_services(out, set);
        break;
    case ASKED_NOTHING:
        write_error(out, MUSTER_INVALID_ARGUMENT, "message_request is not set");
        break;
    }
}

/* Enough for any answer. The host and the type are parts of the request, a file is a part of the set. */
static size_t answer_capacity(struct text set, struct text request) {
    size_t capacity = 3 * (size_t)request.len + set.len + OVERHEAD_BYTES;
    for (struct service_walk walk = {.files = pb_read(set)}; service_walk_next(&walk);)
        capacity += (size_t)walk.package.len + walk.name.len + SERVICE_OVERHEAD_BYTES;
    return capacity;
}

enum muster_code reflection_answer(struct text set, struct text request_bytes, uint8_t **bytes, uint32_t *len) {
    *bytes = NULL;
    *len = 0;
    struct request request;
    if (!read_request(request_bytes, &request)) return MUSTER_INVALID_ARGUMENT;
    size_t capacity = answer_capacity(set, request_bytes);
    if ((*bytes = malloc(capacity)) == NULL) return MUSTER_RESOURCE_EXHAUSTED;
    struct pb_writer out = pb_write_to(*bytes, capacity);
    pb_write_text(&out, RESPONSE_HOST, request.host);
    pb_write_element(&out, RESPONSE_REQUEST, request_bytes);
    write_answer(&out, set, &request);
    assert(!out.is_full);
    *len = (uint32_t)pb_written(&out);
    return MUSTER_OK;
}
