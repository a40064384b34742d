#include "rep_internal.h"
#include "sys/log.h"

/* Spares that are kept; of those above, a part is freed each step, so that a storm of answers that are followed by as
 * many questions allocates nothing. */
enum { SPARES_KEPT = DOOR_CONTEXTS, SPARES_FREED_PART = 128 };

static struct slot *take_spare(struct rep_door *door, size_t kept) {
    pthread_mutex_lock(&door->lock);
    struct slot *slot = door->spare_count > kept ? TAILQ_FIRST(&door->spares) : NULL;
    if (slot != NULL) {
        TAILQ_REMOVE(&door->spares, slot, line);
        door->spare_count--;
    }
    pthread_mutex_unlock(&door->lock);
    return slot;
}

static void count_serving(struct rep_door *door, unsigned more, unsigned fewer) {
    pthread_mutex_lock(&door->lock);
    door->serving = door->serving + more - fewer;
    pthread_mutex_unlock(&door->lock);
}

static bool put_into_service(struct rep_door *door) {
    int failure;
    struct slot *slot = take_spare(door, 0);
    if (slot == NULL) slot = slot_open(door, &failure);
    if (slot != NULL) slot_wait(slot);
    return slot != NULL;
}

void park_replace(struct rep_door *door) {
    if (!atomic_load(&door->takes_no_more) && !put_into_service(door)) count_serving(door, 0, 1);
}

void park_return(struct slot *slot) {
    struct rep_door *door = slot->door;
    pthread_mutex_lock(&door->lock);
    bool is_wanted = door->serving < DOOR_CONTEXTS;
    if (is_wanted) {
        door->serving++;
    } else {
        TAILQ_INSERT_HEAD(&door->spares, slot, line);
        door->spare_count++;
    }
    pthread_mutex_unlock(&door->lock);
    if (is_wanted) slot_wait(slot);
}

static bool has_room(void *context, const struct waiter *waiter) {
    return replies_promise_room(context, (uint32_t)waiter->connection);
}

static nng_msg *message_of(const struct response *response) {
    nng_msg *message;
    if (nng_msg_alloc(&message, 0) != 0) return NULL;
    if (put_reply(message, METHOD_WATCH, response)) return message;
    nng_msg_free(message);
    return NULL;
}

/* The slot is nng's as soon as it sends. */
static void deliver(void *context, const struct waiter *waiter, const struct response *response) {
    struct rep_door *door = context;
    struct slot *slot = waiter->reply_slot;
    nng_msg *message = response != NULL ? message_of(response) : NULL;
    if (message != NULL) {
        slot->extra_bytes = EXTRA_REPLY_OWN_BYTES + nng_msg_len(message);
        atomic_fetch_add(&door->busy, 1);
        slot_send(slot, message);
    } else {
        park_return(slot);
        if (response != NULL) {
            log_line(LEVEL_ERROR, "out_of_memory", "closed a connection: no memory to answer it",
                     {"bytes", NULL, response->body.len});
            nng_pipe_close((nng_pipe){.id = (uint32_t)waiter->connection});
        }
    }
    atomic_fetch_sub(&door->held, 1);
}

struct watch_door park_door(struct rep_door *door) {
    return (struct watch_door){.context = door, .has_room = has_room, .deliver = deliver};
}

static unsigned missing(struct rep_door *door) {
    pthread_mutex_lock(&door->lock);
    unsigned n = DOOR_CONTEXTS - door->serving;
    pthread_mutex_unlock(&door->lock);
    return n;
}

void park_step(struct rep_door *door) {
    for (unsigned n = missing(door); n > 0 && !atomic_load(&door->takes_no_more); n--) {
        count_serving(door, 1, 0);
        if (put_into_service(door)) continue;
        count_serving(door, 0, 1);
        break;
    }
    pthread_mutex_lock(&door->lock);
    size_t surplus = door->spare_count > SPARES_KEPT ? door->spare_count - SPARES_KEPT : 0;
    pthread_mutex_unlock(&door->lock);
    size_t freed = surplus == 0 ? 0 : surplus / SPARES_FREED_PART + 1;
    for (struct slot *slot; freed > 0 && (slot = take_spare(door, SPARES_KEPT)) != NULL; freed--) slot_free(slot);
}
