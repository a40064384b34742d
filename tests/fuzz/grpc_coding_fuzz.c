/* gRPC's compression: any bytes are decompressed within the cap or refused, the same way at each use; what was
 * compressed comes back. The first two bytes are the cap. */
#include "fuzz.h"
#include "net/grpc/coding.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct coder *used_coder; /* lives from input to input: nothing of an input may reach the next */
    if (size < 2) return 0;
    if (used_coder == NULL) used_coder = coder_new();
    struct coder *fresh = coder_new();
    hold(used_coder != NULL && fresh != NULL);
    size_t bytes_max = (size_t)data[0] << 8 | data[1];
    struct text bytes = {(const char *)data + 2, (uint32_t)size - 2}, out, again, packed;
    enum coder_result result = coder_decompress(fresh, bytes, bytes_max, &out);
    hold(result != CODER_NO_MEMORY && out.len <= bytes_max && coder_bytes(fresh) <= bytes_max);
    hold(coder_decompress(used_coder, bytes, bytes_max, &again) == result && again.len == out.len);
    hold(out.len == 0 || memcmp(out.data, again.data, out.len) == 0);
    if (result == CODER_DONE && out.len > 0)
        hold(coder_decompress(used_coder, bytes, out.len - 1, &again) == CODER_TOO_LARGE);
    hold(coder_compress(used_coder, bytes, &packed) == CODER_DONE);
    hold(coder_decompress(fresh, packed, bytes.len, &out) == CODER_DONE);
    hold(out.len == bytes.len && (out.len == 0 || memcmp(out.data, bytes.data, out.len) == 0));
    coder_free(fresh);
    (void)coding_of(bytes);
    (void)coding_accepts_gzip(bytes);
    return 0;
}
