/* The texts of gRPC's headers: any bytes. Status messages come back when they are decoded, and a part of one is its
 * beginning; what base64 says comes back. The first byte is the room for a message. */
#include "fuzz.h"
#include "net/grpc/header_text.h"

#include <ctype.h>
#include <string.h>

/* The bytes that an encoded message stands for. Returns how many. */
static size_t percent_decode(const char *encoded, size_t len, char *out) {
    size_t written = 0;
    for (size_t at = 0; at < len; written++) {
        hold(encoded[at] >= 0x20 && encoded[at] <= 0x7e);
        if (encoded[at] != '%') {
            out[written] = encoded[at++];
            continue;
        }
        hold(len - at >= 3 && isxdigit((unsigned char)encoded[at + 1]) && isxdigit((unsigned char)encoded[at + 2]));
        const char digits[] = {encoded[at + 1], encoded[at + 2], '\0'};
        out[written] = (char)strtoul(digits, NULL, 16);
        at += 3;
    }
    return written;
}

static void check_message(struct text message, size_t room) {
    size_t size = 3 * (size_t)message.len;
    char *whole = malloc(size + 1), *cut = malloc(room + 1), *back = malloc(size + 1);
    hold(whole != NULL && cut != NULL && back != NULL);
    size_t len = percent_encode(message, whole, size), cut_len = percent_encode(message, cut, room);
    hold(percent_decode(whole, len, back) == message.len);
    hold(message.len == 0 || memcmp(back, message.data, message.len) == 0);
    hold(cut_len <= room && cut_len <= len && memcmp(cut, whole, cut_len) == 0);
    (void)percent_decode(cut, cut_len, back); /* no code is cut */
    hold(cut_len == 0 || (cut[0] != ' ' && cut[cut_len - 1] != ' '));
    free(whole);
    free(cut);
    free(back);
}

static void check_binary(struct text value) {
    size_t size = 2 * (size_t)value.len + 4;
    uint8_t *bytes = malloc(size);
    char *text = malloc(size);
    hold(bytes != NULL && text != NULL);
    size_t len = base64_decode(value, bytes, size);
    if (len != SIZE_MAX) {
        hold(base64_decode(value, bytes, len) == len);
        size_t text_len = base64_encode((struct text){(const char *)bytes, (uint32_t)len}, text, size);
        hold(text_len <= value.len && value.len - text_len <= 2); /* the padding */
        hold(text_len == 0 || memcmp(text, value.data, text_len) == 0);
    }
    size_t text_len = base64_encode(value, text, size);
    hold(text_len != SIZE_MAX);
    hold(base64_decode((struct text){text, (uint32_t)text_len}, bytes, size) == value.len);
    hold(value.len == 0 || memcmp(bytes, value.data, value.len) == 0);
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct text value = {(const char *)data + 1, (uint32_t)size - 1};
    uint64_t timeout_us;
    bool is_timeout = timeout_read(value, &timeout_us);
    hold(is_timeout ? timeout_us <= UINT64_C(99999999) * 3600 * 1000000 : timeout_us == 0);
    check_message(value, data[0]);
    check_binary(value);
    (void)content_type_is_grpc(value);
    return 0;
}
