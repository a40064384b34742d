/* The publishing side (PUB) of SP: sends every frame to every subscriber.
 *
 * A slow subscriber has a queue of PUB_FRAMES_QUEUED frames. When it is full, the oldest frame is dropped whole; the
 * receiver sees the gap and requests what it missed. Messages that a subscriber sends are ignored, up to
 * PUB_IGNORED_MAX. */
#ifndef MUSTER_NET_SP_PUB_DOOR_H
#define MUSTER_NET_SP_PUB_DOOR_H

#include "net/door.h"

struct pub_door;

enum {
    PUB_FRAMES_QUEUED = 128,
    PUB_IGNORED_MAX = 64,
    PUB_IGNORED_BYTES_MAX = 64, /* each */
    PUB_UNREAD_MS = 60000,      /* a subscriber that reads nothing for so long is closed; it subscribes again */
};

/* Listens on one URL, for at most connections_max subscribers. As door_open. */
struct pub_door *pub_door_open(struct loops *loops, const char *url, size_t connections_max, struct error *error);
const char *pub_door_url(const struct pub_door *door);

/* Sends a copy of the bytes to all subscribers. Thread-safe; never blocks. If memory is short the frame is dropped. */
void pub_door_publish(struct pub_door *door, const void *bytes, size_t len);

/* Frames that were dropped for slow subscribers so far. Thread-safe. */
uint64_t pub_door_dropped(const struct pub_door *door);

/* After loops_stop, and once nobody publishes. `door` may be NULL. */
void pub_door_close(struct pub_door *door);

#endif
