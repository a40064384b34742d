/* A keyring file is read or refused with a message; what is sealed with it opens; what is not sealed does not. */
#include "fuzz.h"
#include "seal/seal.h"

#include <sodium.h>
#include <string.h>

static void seal_and_open(const struct keyring *ring, const uint8_t *data, size_t size) {
    static uint8_t sealed[8192 + SEAL_OVERHEAD_BYTES], plain[sizeof sealed];
    size_t len, take = size < 8192 ? size : 8192;
    seal(ring, SEAL_FRAME, data, take, sealed);
    hold(seal_open(ring, SEAL_FRAME, sealed, take + SEAL_OVERHEAD_BYTES, plain, &len) == MUSTER_OK && len == take);
    hold(take == 0 || memcmp(plain, data, take) == 0);
    if (ring != NULL)
        hold(seal_open(ring, SEAL_SYNC_REQUEST, sealed, take + SEAL_OVERHEAD_BYTES, plain, &len) != MUSTER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t plain[1 << 16];
    struct error error = {0};
    size_t len;
    hold(sodium_init() >= 0);
    struct keyring *ring = keyring_parse((const char *)data, size, &error);
    hold((ring == NULL) == (error.text[0] != '\0'));
    if (ring != NULL) {
        seal_and_open(ring, data, size);
        if (size < sizeof plain) hold(seal_open(ring, SEAL_FRAME, data, size, plain, &len) != MUSTER_OK);
        keyring_free(ring);
    }
    seal_and_open(NULL, data, size);
    if (size < sizeof plain && seal_open(NULL, SEAL_FRAME, data, size, plain, &len) == MUSTER_OK)
        hold(len == size - SEAL_OVERHEAD_BYTES);
    return 0;
}
