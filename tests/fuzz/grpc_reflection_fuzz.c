/* Reflection: any request, and any set of descriptors. What is answered is a whole message with the request and one
 * answer in it. The first byte is how much of the input is the request; the rest is a set, or nothing: then the one
 * that is embedded is used. */
#include "fuzz.h"
#include "net/grpc/services/descriptors.h"
#include "net/grpc/services/reflection_answer.h"

#include <string.h>

enum { INPUT_MAX = 4096, RESPONSE_REQUEST = 2, RESPONSE_FIRST = 4, RESPONSE_LAST = 7 };

static void check_answer(struct text set, struct text request) {
    uint8_t *bytes;
    uint32_t len;
    enum muster_code code = reflection_answer(set, request, &bytes, &len);
    hold(code == MUSTER_OK || (code == MUSTER_INVALID_ARGUMENT && bytes == NULL && len == 0));
    if (code != MUSTER_OK) return;
    struct pb_reader in = pb_read((struct text){(const char *)bytes, len});
    size_t requests = 0, answers = 0;
    for (struct pb_field field; pb_next(&in, &field);) {
        if (field.number == RESPONSE_REQUEST) {
            hold(field.bytes.len == request.len && memcmp(field.bytes.data, request.data, request.len) == 0);
            requests++;
        }
        answers += field.number >= RESPONSE_FIRST && field.number <= RESPONSE_LAST;
    }
    hold(!in.is_broken && requests == 1 && answers == 1);
    free(bytes);
}

static void check_symbol(struct text set, struct text symbol) {
    enum symbol_kind kind;
    struct text file = descriptors_symbol(set, symbol, &kind);
    hold((kind == SYMBOL_NONE) == (file.len == 0));
    hold(file.len == 0 || (file.data >= set.data && file.data + file.len <= set.data + set.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > INPUT_MAX) return 0;
    size_t len = data[0] < size - 1 ? data[0] : size - 1;
    struct text request = {(const char *)data + 1, (uint32_t)len};
    struct text set = {(const char *)data + 1 + len, (uint32_t)(size - 1 - len)};
    if (set.len == 0) set = descriptors_embedded();
    check_answer(set, request);
    check_symbol(set, request);
    (void)descriptors_file(set, request);
    return 0;
}
