/* The one error enum of Muster: its values are the wire's, the standard RPC codes
 * (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
#ifndef MUSTER_CODES_H
#define MUSTER_CODES_H

#define MUSTER_CODES(X)                                                                                                \
    X(MUSTER_OK, 0, "ok")                                                                                              \
    X(MUSTER_CANCELLED, 1, "cancelled")                                                                                \
    X(MUSTER_UNKNOWN, 2, "unknown")                                                                                    \
    X(MUSTER_INVALID_ARGUMENT, 3, "invalid argument")                                                                  \
    X(MUSTER_DEADLINE_EXCEEDED, 4, "deadline exceeded")                                                                \
    X(MUSTER_NOT_FOUND, 5, "not found")                                                                                \
    X(MUSTER_PERMISSION_DENIED, 7, "permission denied")                                                                \
    X(MUSTER_RESOURCE_EXHAUSTED, 8, "resource exhausted")                                                              \
    X(MUSTER_FAILED_PRECONDITION, 9, "failed precondition")                                                            \
    X(MUSTER_ABORTED, 10, "aborted")                                                                                   \
    X(MUSTER_UNIMPLEMENTED, 12, "unimplemented")                                                                       \
    X(MUSTER_INTERNAL, 13, "internal")                                                                                 \
    X(MUSTER_UNAVAILABLE, 14, "unavailable")                                                                           \
    X(MUSTER_UNAUTHENTICATED, 16, "unauthenticated")

#define X(name, value, text) name = value,
enum muster_code { MUSTER_CODES(X) };
#undef X

#endif
