/* Reads replies, one a line in hexadecimal, and prints each as protobuf-c packs it again. */
#include "muster/v1/presence.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static char line[1 << 20];
    static uint8_t bytes[sizeof line / 2];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\n") / 2;
        for (size_t i = 0; i < len; i++) {
            unsigned byte;
            if (sscanf(line + 2 * i, "%2x", &byte) != 1) return 1;
            bytes[i] = (uint8_t)byte;
        }
        Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
        if (reply == NULL || (reply->code == 0 && reply->response_case == MUSTER__V1__REPLY__RESPONSE__NOT_SET) ||
            reply->base.n_unknown_fields > 0)
            return 1;
        len = muster__v1__reply__pack(reply, bytes);
        for (size_t i = 0; i < len; i++) printf("%02x", bytes[i]);
        printf("\n");
        muster__v1__reply__free_unpacked(reply, NULL);
    }
    return 0;
}
