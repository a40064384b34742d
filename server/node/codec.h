/* Opens, decodes, encodes and seals the messages between nodes. The replica sees neither bytes nor keys, and none of it
 * needs the node's lock. Thread-safe: a keyring that is replaced lives until nobody uses it any more. */
#ifndef MUSTER_NODE_CODEC_H
#define MUSTER_NODE_CODEC_H

#include "cluster/replica.h"
#include "seal/keyring.h"

struct codec;

/* A message that was opened and decoded, with the memory that it needs. */
struct received {
    struct received *next;
    struct decode_memory memory;
    uint8_t *plain, *page;
    size_t plain_capacity;
    union {
        struct frame frame;
        struct sync_request request;
        struct sync_response response;
    };
    struct pb_writer response_page; /* of a request: where its response goes; see codec_seal_page */
};

/* Holds the keyring; NULL: messages are not sealed. NULL if memory is short. */
struct codec *codec_new(struct keyring *keyring);
void codec_free(struct codec *codec); /* may be NULL; all that was received has been released */
/* From now on this keyring seals and opens. */
void codec_set_keyring(struct codec *codec, struct keyring *keyring);

/* Opens and decodes. NULL: it is forged, foreign or broken, which is counted, or memory is short. The caller
 * releases what is returned. */
struct received *codec_open_frame(struct codec *codec, struct text sealed);
struct received *codec_open_request(struct codec *codec, struct text sealed);
struct received *codec_open_response(struct codec *codec, struct text sealed);
void codec_release(struct codec *codec, struct received *received); /* `received` may be NULL */

/* Completes a frame and seals it, once. The bytes live in the draft. */
struct text codec_seal_frame(struct codec *codec, struct frame_draft *draft);
/* Encodes and seals a request. The bytes live in `memory`. */
enum { CODEC_REQUEST_BYTES_MAX = SYNC_REQUEST_BYTES_MAX + SEAL_OVERHEAD_BYTES };
struct text codec_seal_request(struct codec *codec, const struct sync_request *request,
                               uint8_t memory[CODEC_REQUEST_BYTES_MAX]);
/* Seals what was put into received->response_page. Empty if it did not fit. The bytes live until it is released. */
struct text codec_seal_page(struct codec *codec, struct received *received);

/* Adds what was counted here: bytes, and what was dropped before the replica saw it. */
void codec_add_stats(const struct codec *codec, struct replica_stats *stats);

#endif
