/* Where a node publishes: SP's PUB, every frame to every subscriber.
 *
 * A subscriber that is slow has a queue of PUB_FRAMES_QUEUED frames; of those that do not fit the oldest is dropped,
 * whole: its receiver sees a gap and asks for what it missed. What a subscriber sends beyond its handshake is ignored,
 * up to PUB_IGNORED_MAX messages. */
#ifndef MUSTER_NET_SP_PUB_DOOR_H
#define MUSTER_NET_SP_PUB_DOOR_H

#include "net/door.h"

struct pub_door;

enum {
    PUB_FRAMES_QUEUED = 128,
    PUB_IGNORED_MAX = 64,
    PUB_IGNORED_BYTES_MAX = 64, /* each */
    PUB_UNREAD_MS = 60000,      /* a subscriber that takes nothing for so long is cut off, and subscribes again */
};

/* Listens on one URL, for at most connections_max subscribers. As door_open. */
struct pub_door *pub_door_open(struct loops *loops, const char *url, size_t connections_max, struct error *error);
const char *pub_door_url(const struct pub_door *door);

/* Sends a copy of the bytes to everybody who is subscribed. Thread-safe; never blocks. Where memory is short the frame
 * is dropped. */
void pub_door_publish(struct pub_door *door, const void *bytes, size_t len);

/* Frames that were dropped for slow subscribers so far. Thread-safe. */
uint64_t pub_door_dropped(const struct pub_door *door);

/* After loops_stop, and once nobody publishes. `door` may be NULL. */
void pub_door_close(struct pub_door *door);

#endif
