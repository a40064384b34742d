/* The abuse budget of a connection: a bucket of points that leaks back with time. What serves nobody costs points, a
 * call that is answered earns some, and who has none left is told GOAWAY ENHANCE_YOUR_CALM.
 *
 * One mechanism for all floods: a stream that this side resets because of what the client did costs as much as one that
 * the client resets (CVE-2023-44487, CVE-2025-8671); frames that carry nothing, or ask for an answer, cost what they
 * make this side do. The costs leave a wide margin: clients of gRPC cancel calls, ping once for each DATA that they
 * get, and return their windows as they like. Pure. */
#ifndef MUSTER_NET_GRPC_BUDGET_H
#define MUSTER_NET_GRPC_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BUDGET_POINTS_MAX = 10000,     /* a connection begins with them */
    BUDGET_POINTS_PER_SECOND = 330 /* come back */
};

/* What one of each costs. */
enum nuisance {
    NUISANCE_WINDOW_UPDATE = 1,
    NUISANCE_LATE_DATA = 1,  /* for a stream that this side has reset of late: it may have been on its way */
    NUISANCE_HEADER_KIB = 1, /* a KiB of headers past the limit, as HPACK makes it of a few bytes */
    NUISANCE_PING = 5,
    NUISANCE_PRIORITY = 5,
    NUISANCE_CONTINUATION = 5,
    NUISANCE_UNKNOWN = 5,      /* a frame of an unknown type, or one that only servers send */
    NUISANCE_RESET = 10,       /* of a stream, by either side; not where a call that has its answer is cut short */
    NUISANCE_EMPTY_DATA = 10,  /* that does not end its stream */
    NUISANCE_CLOSED_DATA = 10, /* for a stream that is over */
    NUISANCE_SETTINGS = 20,
    NUISANCE_HEADERS = 100, /* headers past the limit, besides their KiB */
};

/* What earns points: up to BUDGET_POINTS_MAX. */
enum merit {
    MERIT_DATA_SENT = 6, /* explains a ping, or a few updates of windows */
    MERIT_ANSWER = 10,   /* a call ended with OK */
};

struct budget {
    int32_t points;
    uint64_t leaked_ms; /* up to when points have come back */
};

void budget_open(struct budget *budget, uint64_t now_ms);
/* False: nothing is left. */
bool budget_spend(struct budget *budget, uint32_t points, uint64_t now_ms);
void budget_earn(struct budget *budget, uint32_t points);

#endif
