#include "rep_internal.h"
#include "sys/clock.h"

/* Contexts are short when fewer wait; then a reply that is pending for so long ends its connection. */
enum { SLOTS_SHORT = DOOR_CONTEXTS / 8, UNREAD_WHEN_SHORT_MS = 100 };
/* A promise of room that comes to nothing is forgotten after so long. */
enum { PROMISE_US = 50000 };

/* Of the replies of late the largest; each smaller one makes it a little less. */
static void learn_usual(struct rep_door *door, size_t bytes) {
    size_t faded = door->usual_extra_bytes - door->usual_extra_bytes / 16;
    door->usual_extra_bytes = bytes > faded ? bytes : faded;
}

static void extra_reply_begins(struct connection *connection, size_t bytes) {
    connection->extra_bytes += bytes;
    if (connection->promised > 0) connection->promised--;
}

void reply_begins(struct slot *slot) {
    struct rep_door *door = slot->door;
    slot->since_us = clock_monotonic_us();
    pthread_mutex_lock(&door->lock);
    TAILQ_INSERT_TAIL(&door->sending, slot, line);
    struct connection *connection = connection_of(door, slot->pipe);
    if (slot->extra_bytes > 0) {
        door->extra_bytes += slot->extra_bytes;
        learn_usual(door, slot->extra_bytes);
        if (connection != NULL) extra_reply_begins(connection, slot->extra_bytes);
    } else if (connection != NULL) {
        connection->replies++;
    }
    pthread_mutex_unlock(&door->lock);
}

/* nng never gives one pipe's number to another while replies to the first are on their way: it counts through 2^31. */
void reply_ends(struct slot *slot) {
    struct rep_door *door = slot->door;
    pthread_mutex_lock(&door->lock);
    TAILQ_REMOVE(&door->sending, slot, line);
    door->extra_bytes -= slot->extra_bytes;
    struct connection *connection = connection_of(door, slot->pipe);
    if (connection != NULL) {
        connection->replies -= slot->extra_bytes == 0;
        connection->extra_bytes -= slot->extra_bytes;
    }
    pthread_mutex_unlock(&door->lock);
    slot->extra_bytes = 0;
}

static bool has_room(const struct rep_door *door, const struct connection *connection) {
    return connection->extra_bytes < DOOR_EXTRA_BYTES_OF_ONE_MAX && door->extra_bytes < DOOR_EXTRA_BYTES_MAX;
}

/* Only looked at where more than its share is possible at all. */
enum admission replies_admit(struct rep_door *door, uint32_t pipe) {
    if (atomic_load(&door->waiting) >= DOOR_CONTEXTS - DOOR_REPLIES_PENDING_MAX) return ADMITTED;
    enum admission admission = ADMITTED;
    pthread_mutex_lock(&door->lock);
    const struct connection *connection = connection_of(door, pipe);
    if (connection != NULL && connection->replies >= DOOR_REPLIES_PENDING_MAX)
        admission = has_room(door, connection) ? ADMITTED_BEYOND : NOT_ADMITTED;
    pthread_mutex_unlock(&door->lock);
    return admission;
}

/* The node asks for many before it answers one: what was promised is expected to be as large as replies are of late. A
 * connection that has nothing on its way may always have one, so that those that read are not held up by those that do
 * not. */
static bool can_promise(const struct rep_door *door, const struct connection *connection) {
    size_t expected = door->usual_extra_bytes > EXTRA_REPLY_OWN_BYTES ? door->usual_extra_bytes : EXTRA_REPLY_OWN_BYTES;
    if (connection->extra_bytes == 0 && connection->promised == 0) return true;
    return has_room(door, connection) &&
           connection->promised * expected < DOOR_EXTRA_BYTES_OF_ONE_MAX - connection->extra_bytes;
}

/* What is for a connection that is gone nng drops. */
bool replies_promise_room(struct rep_door *door, uint32_t pipe) {
    uint64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&door->lock);
    struct connection *connection = connection_of(door, pipe);
    if (connection != NULL && now_us - connection->promised_us > PROMISE_US) connection->promised = 0;
    bool is_promised = connection != NULL && can_promise(door, connection);
    if (is_promised && connection->promised++ == 0) connection->promised_us = now_us;
    pthread_mutex_unlock(&door->lock);
    return is_promised || connection == NULL;
}

bool replies_are_too_large(struct rep_door *door) {
    pthread_mutex_lock(&door->lock);
    bool are_too_large = door->extra_bytes >= DOOR_EXTRA_BYTES_MAX;
    pthread_mutex_unlock(&door->lock);
    return are_too_large;
}

/* Connections whose replies are pending for longer than age_ms, each named once: at most `capacity` at a time. */
static size_t find_unread(struct rep_door *door, uint64_t now_us, uint64_t age_ms, uint32_t *pipes, size_t capacity) {
    size_t n = 0;
    const struct slot *slot;
    pthread_mutex_lock(&door->lock);
    TAILQ_FOREACH(slot, &door->sending, line) {
        if (n == capacity || now_us < slot->since_us || now_us - slot->since_us <= age_ms * 1000) break;
        struct connection *connection = connection_of(door, slot->pipe);
        if (connection == NULL || connection->is_ended) continue;
        connection->is_ended = true;
        pipes[n++] = slot->pipe;
    }
    pthread_mutex_unlock(&door->lock);
    return n;
}

static void close_unread(struct rep_door *door, uint64_t now_us, uint64_t age_ms) {
    uint32_t pipes[64];
    size_t n = find_unread(door, now_us, age_ms, pipes, sizeof pipes / sizeof pipes[0]);
    for (size_t i = 0; i < n; i++) connections_close_unread(door, pipes[i]);
}

void replies_relieve(struct rep_door *door, uint64_t now_us) {
    bool is_short =
        atomic_load(&door->has_excess) || atomic_load(&door->waiting) < SLOTS_SHORT || replies_are_too_large(door);
    uint64_t age_ms = is_short ? UNREAD_WHEN_SHORT_MS : door->reply_timeout_ms;
    if (!slots_are_busy(door)) atomic_store(&door->has_excess, false);
    if (door->end_unread == NULL) {
        close_unread(door, now_us, age_ms);
        return;
    }
    size_t ended = door->end_unread(age_ms);
    if (ended > 0) connections_say_unread(door, "unknown", ended);
}
