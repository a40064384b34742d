/* grpc.reflection.v1.ServerReflection, and the same as v1alpha
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md), from descriptors that are embedded when the
 * program is built. Stateless: the tables are static. */
#ifndef MUSTER_NET_GRPC_REFLECTION_SERVICE_H
#define MUSTER_NET_GRPC_REFLECTION_SERVICE_H

#include "net/grpc/service.h"

struct grpc_service reflection_service_v1(void);
struct grpc_service reflection_service_v1alpha(void);

#endif
