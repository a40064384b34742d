/* Snapshots in memory, for tests: a roll to be kept, its snapshot as bytes, and what comes back. */
#ifndef MUSTER_TESTS_SNAPSHOT_FIXTURE_H
#define MUSTER_TESTS_SNAPSHOT_FIXTURE_H

#include "snapshot/format.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* After the above, which it wants. */
#include <cmocka.h>

#define FIXTURE_BASE_MS      (UINT64_C(1) << 40)
#define FIXTURE_WALL_MS      UINT64_C(1700000000000)
#define FIXTURE_RETENTION_MS UINT64_C(3600000)

enum { FIXTURE_MINUTE_MS = 60000 };

/* An empty roll of this origin. Fails the test if there is none. members_max 0: plenty. */
struct roll *fixture_roll(uint64_t origin, uint64_t members_max);
/* One beat; fails the test if it is refused. */
void fixture_touch(struct roll *roll, const char *scope, const char *user, const char *session, uint32_t ttl_ms,
                   uint64_t stamp, uint64_t now_ms);
/* Random calls, local and merged, over a few scopes, with long ids, states, leaves, and resets at the end. Stamps begin
 * at `stamp`; time passes from *now_ms on. */
void fixture_live_through(struct roll *roll, struct random *random, size_t calls, uint64_t stamp, uint64_t *now_ms);

struct fixture_bytes {
    uint8_t *data;
    size_t len, capacity;
};

/* What is called after each slice was taken, the last one too: a roll that goes on meanwhile. */
typedef void fixture_meanwhile(struct roll *roll, uint64_t *now_ms, void *context);

/* The header that snapshots of tests have: at *now_ms of a machine's first run, with a peer and a vector of two. */
struct snapshot_header fixture_header(uint64_t now_ms);
/* The snapshot of a roll; `meanwhile` may be NULL. The caller frees it. */
struct fixture_bytes fixture_take(struct roll *roll, const struct snapshot_header *header, uint64_t *now_ms,
                                  fixture_meanwhile *meanwhile, void *context);

/* Reads a snapshot as a node does, and merges it into `roll` (NULL: only reads). *reader may be looked at after. */
enum snapshot_fault fixture_load(const uint8_t *data, size_t len, struct snapshot_reader *reader, struct roll *roll,
                                 struct hlc *clock, const struct snapshot_moment *now, struct snapshot_merged *merged);

#endif
