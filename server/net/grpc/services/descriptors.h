/* What the services of a server are made of: a google.protobuf.FileDescriptorSet, read where it lies
 * (https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto). Pure: a set is an
 * argument, of any bytes; what is broken in it is not found. Nothing is allocated; texts that are returned lie in the
 * set. A look-up goes through one file after the other, and within a file along the symbol's names: some microseconds.
 */
#ifndef MUSTER_NET_GRPC_DESCRIPTORS_H
#define MUSTER_NET_GRPC_DESCRIPTORS_H

#include "common/protobuf.h"
#include "common/text.h"

#include <stdbool.h>

/* The contracts of the services of musterd, as they are in proto/, with their comments; made when it is built. */
struct text descriptors_embedded(void);

enum symbol_kind {
    SYMBOL_NONE, /* there is no such symbol */
    SYMBOL_MESSAGE,
    SYMBOL_FIELD, /* of a message, a oneof, or an extension */
    SYMBOL_ENUM,
    SYMBOL_VALUE, /* of an enum: it is named as a sibling of the enum */
    SYMBOL_SERVICE,
    SYMBOL_METHOD,
};

/* The FileDescriptorProto of that name; empty: there is none. */
struct text descriptors_file(struct text set, struct text name);
/* The FileDescriptorProto that declares a symbol, given by its full name without a leading dot, and what the symbol
 * is. Empty and SYMBOL_NONE: there is none. A package is no symbol. */
struct text descriptors_symbol(struct text set, struct text symbol, enum symbol_kind *kind);

/* Goes through the services: set `files` to pb_read(set) and the rest to zero. */
struct service_walk {
    struct pb_reader files, fields;
    struct text package, name; /* of the service: its full name is both, joined by a dot if the package is not empty */
};
/* The next service; false: there are no more. */
bool service_walk_next(struct service_walk *walk);

#endif
