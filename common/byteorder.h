/* Numbers as bytes, the highest first. */
#ifndef MUSTER_COMMON_BYTEORDER_H
#define MUSTER_COMMON_BYTEORDER_H

#include <stdint.h>

static inline void put_u64(unsigned char out[8], uint64_t value) {
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)(value >> (56 - 8 * i));
}

static inline uint64_t get_u64(const unsigned char in[8]) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | in[i];
    return value;
}

#endif
