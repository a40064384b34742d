/* A duration that is understood is understood alike when it is written back; URLs are judged without a fault. */
#include "common/duration.h"
#include "common/url.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[512], written[DURATION_BYTES];
    uint64_t ms, again;
    struct error error = {0};
    if (size >= sizeof text) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (duration_parse(text, &ms)) hold(duration_parse(duration_format(ms, written), &again) && again == ms);
    else hold(ms == 0);
    hold((url_reach(text, &error) == REACH_NONE) == (error.code == MUSTER_INVALID_ARGUMENT));
    return 0;
}
