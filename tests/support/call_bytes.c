#include "call_bytes.h"
#include "net/sp/envelope.h"

#include <stdlib.h>
#include <string.h>

uint8_t *reply_bytes(enum method method, const struct response *response, size_t *len) {
    uint8_t *bytes = malloc(ENVELOPE_HEAD_BYTES_MAX + response->body.len);
    if (bytes == NULL) abort();
    *len = envelope_head(method, response, bytes);
    if (response->body.len > 0) memcpy(bytes + *len, response->body.data, response->body.len);
    *len += response->body.len;
    return bytes;
}

Muster__V1__Reply *reply_decoded(enum method method, const struct response *response) {
    size_t len;
    uint8_t *bytes = reply_bytes(method, response, &len);
    Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
    free(bytes);
    return reply;
}

uint8_t *call_bytes(struct rpc *rpc, struct worker *worker, const uint8_t *call, size_t len, struct instant now,
                    const struct waiter *waiter, size_t *reply_len) {
    struct request request;
    struct response response;
    struct envelope_refusal refusal;
    struct text bytes = {(const char *)call, (uint32_t)len};
    if (!envelope_open(bytes, &request, &refusal)) return reply_bytes(METHOD_NONE, &refusal.response, reply_len);
    if (!rpc_answer(rpc, worker, &request, now, waiter, &response)) return NULL;
    return reply_bytes(request.method, &response, reply_len);
}
