#include "codec.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Each message that is being decoded has memory of its own; of so many it is kept. */
enum { CODEC_SPARES_MAX = 8 };

struct codec {
    pthread_mutex_t lock; /* of `keyring` and the spares; held for moments */
    struct keyring *keyring;
    struct received *spares;
    size_t spare_count;
    atomic_uint_fast64_t bytes_in, bytes_out, refresh_bytes_out, frames_dropped;
    atomic_uint_fast64_t dropped_forged, dropped_foreign, dropped_broken;
};

static void *allocate_zeroed(void *context, size_t bytes) {
    (void)context;
    return calloc(1, bytes);
}

static void release_plainly(void *context, void *memory, size_t bytes) {
    (void)context, (void)bytes;
    free(memory);
}

struct codec *codec_new(struct keyring *keyring) {
    struct codec *codec = calloc(1, sizeof *codec);
    if (codec == NULL) return NULL;
    pthread_mutex_init(&codec->lock, NULL);
    codec->keyring = keyring_hold(keyring);
    return codec;
}

static void received_free(struct received *received) {
    if (received == NULL) return;
    decode_memory_free(&received->memory);
    free(received->plain);
    free(received->page);
    free(received);
}

void codec_free(struct codec *codec) {
    if (codec == NULL) return;
    for (struct received *next; codec->spares != NULL; codec->spares = next) {
        next = codec->spares->next;
        received_free(codec->spares);
    }
    keyring_free(codec->keyring);
    pthread_mutex_destroy(&codec->lock);
    free(codec);
}

void codec_set_keyring(struct codec *codec, struct keyring *keyring) {
    keyring_hold(keyring);
    pthread_mutex_lock(&codec->lock);
    struct keyring *old = codec->keyring;
    codec->keyring = keyring;
    pthread_mutex_unlock(&codec->lock);
    keyring_free(old);
}

static struct keyring *current_keyring(struct codec *codec) {
    pthread_mutex_lock(&codec->lock);
    struct keyring *keyring = keyring_hold(codec->keyring);
    pthread_mutex_unlock(&codec->lock);
    return keyring;
}

/* ---- in -------------------------------------------------------------------------------------------------------- */

static struct received *take_spare(struct codec *codec) {
    pthread_mutex_lock(&codec->lock);
    struct received *received = codec->spares;
    if (received != NULL) {
        codec->spares = received->next;
        codec->spare_count--;
    }
    pthread_mutex_unlock(&codec->lock);
    if (received == NULL && (received = calloc(1, sizeof *received)) != NULL)
        received->memory.allocator = (struct allocator){allocate_zeroed, release_plainly, NULL};
    return received;
}

void codec_release(struct codec *codec, struct received *received) {
    if (received == NULL) return;
    pthread_mutex_lock(&codec->lock);
    bool is_kept = codec->spare_count < CODEC_SPARES_MAX;
    if (is_kept) {
        received->next = codec->spares;
        codec->spares = received;
        codec->spare_count++;
    }
    pthread_mutex_unlock(&codec->lock);
    if (!is_kept) received_free(received);
}

/* Makes room for the plain bytes. len: of a message that is no longer than the largest one. */
static bool fit_plain(struct received *received, size_t len) {
    if (len <= received->plain_capacity) return true;
    uint8_t *plain = realloc(received->plain, len);
    if (plain == NULL) return false;
    received->plain = plain;
    received->plain_capacity = len;
    return true;
}

static void count_dropped(struct codec *codec, enum muster_code code) {
    if (code == MUSTER_PERMISSION_DENIED) atomic_fetch_add(&codec->dropped_forged, 1);
    else if (code == MUSTER_NOT_FOUND || code == MUSTER_UNIMPLEMENTED) atomic_fetch_add(&codec->dropped_foreign, 1);
    else atomic_fetch_add(&codec->dropped_broken, 1);
}

/* Opens a message of at most `most` bytes. NULL: it does not open. */
static struct received *open_message(struct codec *codec, enum seal_kind kind, struct text sealed, size_t most,
                                     struct text *plain) {
    atomic_fetch_add(&codec->bytes_in, sealed.len);
    enum muster_code code = MUSTER_INVALID_ARGUMENT;
    struct received *received = sealed.len > most ? NULL : take_spare(codec);
    if (received != NULL && fit_plain(received, sealed.len)) {
        size_t len;
        struct keyring *keyring = current_keyring(codec);
        code = seal_open(keyring, kind, (const uint8_t *)sealed.data, sealed.len, received->plain, &len);
        keyring_free(keyring);
        *plain = (struct text){(const char *)received->plain, (uint32_t)len};
    }
    if (code == MUSTER_OK) return received;
    count_dropped(codec, code);
    codec_release(codec, received);
    return NULL;
}

/* The message, if it could be decoded; else it is dropped. */
static struct received *if_read(struct codec *codec, struct received *received, bool is_read) {
    if (is_read) return received;
    count_dropped(codec, MUSTER_INVALID_ARGUMENT);
    codec_release(codec, received);
    return NULL;
}

struct received *codec_open_frame(struct codec *codec, struct text sealed) {
    struct text plain;
    struct received *received = open_message(codec, SEAL_FRAME, sealed, REPLICA_FRAME_BYTES_MAX, &plain);
    if (received == NULL) {
        atomic_fetch_add(&codec->frames_dropped, 1);
        return NULL;
    }
    received = if_read(codec, received, frame_read(plain, &received->memory, &received->frame));
    if (received == NULL) atomic_fetch_add(&codec->frames_dropped, 1);
    return received;
}

struct received *codec_open_request(struct codec *codec, struct text sealed) {
    struct text plain;
    struct received *received = open_message(codec, SEAL_SYNC_REQUEST, sealed, REPLICA_SYNC_BYTES_MAX, &plain);
    if (received == NULL) return NULL;
    received = if_read(codec, received, sync_request_get(plain, &received->memory, &received->request));
    if (received == NULL) return NULL;
    if (received->page == NULL && (received->page = malloc(REPLICA_SYNC_BYTES_MAX)) == NULL) {
        codec_release(codec, received);
        return NULL;
    }
    received->response_page =
        pb_write_to(received->page + SEAL_HEAD_BYTES, REPLICA_SYNC_BYTES_MAX - SEAL_OVERHEAD_BYTES);
    return received;
}

struct received *codec_open_response(struct codec *codec, struct text sealed) {
    struct text plain;
    struct received *received = open_message(codec, SEAL_SYNC_RESPONSE, sealed, REPLICA_SYNC_BYTES_MAX, &plain);
    if (received == NULL) return NULL;
    return if_read(codec, received, sync_response_get(plain, &received->memory, &received->response));
}

/* ---- out ------------------------------------------------------------------------------------------------------- */

static struct text seal_message(struct codec *codec, enum seal_kind kind, uint8_t *plain, size_t len) {
    struct keyring *keyring = current_keyring(codec);
    const uint8_t *sealed = seal_in_place(keyring, kind, plain, len);
    keyring_free(keyring);
    atomic_fetch_add(&codec->bytes_out, len + SEAL_OVERHEAD_BYTES);
    return (struct text){(const char *)sealed, (uint32_t)(len + SEAL_OVERHEAD_BYTES)};
}

struct text codec_seal_frame(struct codec *codec, struct frame_draft *draft) {
    size_t refresh_bytes;
    struct text plain = frame_end(draft, &refresh_bytes);
    atomic_fetch_add(&codec->refresh_bytes_out, refresh_bytes);
    return seal_message(codec, SEAL_FRAME, draft->memory + (plain.data - (const char *)draft->memory), plain.len);
}

struct text codec_seal_request(struct codec *codec, const struct sync_request *request,
                               uint8_t memory[CODEC_REQUEST_BYTES_MAX]) {
    struct pb_writer out = pb_write_to(memory + SEAL_HEAD_BYTES, SYNC_REQUEST_BYTES_MAX);
    sync_request_put(&out, request);
    assert(!out.is_full);
    return seal_message(codec, SEAL_SYNC_REQUEST, out.begin, pb_written(&out));
}

struct text codec_seal_page(struct codec *codec, struct received *received) {
    const struct pb_writer *page = &received->response_page;
    if (page->is_full) return (struct text){0};
    return seal_message(codec, SEAL_SYNC_RESPONSE, page->begin, pb_written(page));
}

void codec_add_stats(const struct codec *codec, struct replica_stats *stats) {
    stats->bytes_in += atomic_load(&codec->bytes_in);
    stats->bytes_out += atomic_load(&codec->bytes_out);
    stats->refresh_bytes_out += atomic_load(&codec->refresh_bytes_out);
    stats->frames_in += atomic_load(&codec->frames_dropped);
    stats->dropped_forged += atomic_load(&codec->dropped_forged);
    stats->dropped_foreign += atomic_load(&codec->dropped_foreign);
    stats->dropped_broken += atomic_load(&codec->dropped_broken);
}
