/* The answer to one request of reflection. The messages of v1 and v1alpha are the same on the wire
 * (proto/grpc/reflection). Pure but for its allocation. */
#ifndef MUSTER_NET_GRPC_REFLECTION_ANSWER_H
#define MUSTER_NET_GRPC_REFLECTION_ANSWER_H

#include "common/text.h"
#include "muster/codes.h"

/* set: a FileDescriptorSet. On MUSTER_OK *bytes is an encoded ServerReflectionResponse of *len bytes, which the caller
 * frees; what is not found is an answer too. Else *bytes is NULL: INVALID_ARGUMENT, the request cannot be decoded;
 * RESOURCE_EXHAUSTED, memory is short. Any thread. */
enum muster_code reflection_answer(struct text set, struct text request, uint8_t **bytes, uint32_t *len);

#endif
