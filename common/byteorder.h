/* Numbers as bytes: `be` with the highest byte first (big-endian, as on nng's wire), `le` with the lowest first
 * (little-endian, as in protobuf and in snapshots). No alignment is needed. */
#ifndef MUSTER_COMMON_BYTEORDER_H
#define MUSTER_COMMON_BYTEORDER_H

#include <stddef.h>
#include <stdint.h>

static inline void put_be(uint8_t *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static inline void put_le(uint8_t *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t get_be(const uint8_t *in, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | in[i];
    return value;
}

static inline uint64_t get_le(const uint8_t *in, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)in[i] << 8 * i;
    return value;
}

static inline void put_be16(uint8_t out[2], uint16_t value) {
    put_be(out, value, 2);
}
static inline void put_be32(uint8_t out[4], uint32_t value) {
    put_be(out, value, 4);
}
static inline void put_be64(uint8_t out[8], uint64_t value) {
    put_be(out, value, 8);
}
static inline void put_le16(uint8_t out[2], uint16_t value) {
    put_le(out, value, 2);
}
static inline void put_le32(uint8_t out[4], uint32_t value) {
    put_le(out, value, 4);
}
static inline void put_le64(uint8_t out[8], uint64_t value) {
    put_le(out, value, 8);
}
static inline uint16_t get_be16(const uint8_t in[2]) {
    return (uint16_t)get_be(in, 2);
}
static inline uint32_t get_be32(const uint8_t in[4]) {
    return (uint32_t)get_be(in, 4);
}
static inline uint64_t get_be64(const uint8_t in[8]) {
    return get_be(in, 8);
}
static inline uint16_t get_le16(const uint8_t in[2]) {
    return (uint16_t)get_le(in, 2);
}
static inline uint32_t get_le32(const uint8_t in[4]) {
    return (uint32_t)get_le(in, 4);
}
static inline uint64_t get_le64(const uint8_t in[8]) {
    return get_le(in, 8);
}

#endif
