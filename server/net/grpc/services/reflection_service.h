/* grpc.reflection.v1.ServerReflection, and the same as v1alpha
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md), from descriptors that are embedded when the
 * program is built: the contracts of all services of musterd, whichever a door has. Stateless: the tables are static.
 *
 * A client may send requests before it has read the answers to those before; with more than
 * REFLECTION_UNSENT_BYTES_MAX of unsent answers its call ends with RESOURCE_EXHAUSTED. */
#ifndef MUSTER_NET_GRPC_REFLECTION_SERVICE_H
#define MUSTER_NET_GRPC_REFLECTION_SERVICE_H

#include "net/grpc/service.h"

enum { REFLECTION_UNSENT_BYTES_MAX = 256 * 1024 };

struct grpc_service reflection_service_v1(void);
struct grpc_service reflection_service_v1alpha(void);

#endif
