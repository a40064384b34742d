#include "action_queue.h"
#include "common/waiting.h"
#include "gossip.h"
#include "sys/log.h"

#include <stdlib.h>
#include <string.h>

void queued_action_free(struct queued_action *action) {
    if (action == NULL) return;
    if (action->message != NULL) nng_msg_free(action->message);
    free(action);
}

void action_queue_open(struct action_queue *queue) {
    *queue = (struct action_queue){.count = 0};
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    waiting_init(&queue->come);
}

void action_queue_close(struct action_queue *queue) {
    struct queued_action *next;
    for (struct queued_action *action = queue->first; action != NULL; action = next) {
        next = action->next;
        queued_action_free(action);
    }
    pthread_cond_destroy(&queue->come);
    pthread_mutex_destroy(&queue->lock);
}

static struct queued_action *copy_of(const struct action *action) {
    struct queued_action *copy = calloc(1, sizeof *copy);
    if (copy == NULL || action->address.len > REPLICA_ADDRESS_BYTES_MAX) goto fail;
    copy->kind = action->kind;
    copy->ticket = action->ticket;
    if (action->address.len > 0) memcpy(copy->address, action->address.data, action->address.len);
    if (action->len == 0) return copy;
    if (nng_msg_alloc(&copy->message, action->len) != 0) goto fail;
    memcpy(nng_msg_body(copy->message), action->bytes, action->len);
    return copy;

fail:
    free(copy);
    return NULL;
}

void action_queue_put(struct action_queue *queue, const struct action *action) {
    pthread_mutex_lock(&queue->lock);
    bool is_dropped = action->kind == ACTION_PUBLISH && queue->count >= ACTION_QUEUE_MAX;
    struct queued_action *copy = is_dropped ? NULL : copy_of(action);
    if (copy != NULL) {
        *queue->last = copy;
        queue->last = &copy->next;
        queue->count++;
        pthread_cond_signal(&queue->come);
    }
    pthread_mutex_unlock(&queue->lock);
    if (copy == NULL)
        log_line(LEVEL_WARN, "action_dropped", "more to be sent than can be; peers will ask for what is missing",
                 {"kind", NULL, (uint64_t)action->kind}, {"bytes", NULL, action->len});
}

void action_queue_wake(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->is_urgent = true;
    pthread_cond_signal(&queue->come);
    pthread_mutex_unlock(&queue->lock);
}

struct queued_action *action_queue_take(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    struct queued_action *first = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    queue->count = 0;
    queue->is_taken = first != NULL;
    pthread_mutex_unlock(&queue->lock);
    return first;
}

bool action_queue_wait(struct action_queue *queue, uint64_t until_us) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->is_urgent && queue->first == NULL)
        if (!waiting_until(&queue->come, &queue->lock, until_us)) break;
    bool is_urgent = queue->is_urgent;
    queue->is_urgent = false;
    pthread_mutex_unlock(&queue->lock);
    return is_urgent;
}

bool action_queue_is_done(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    bool is_done = queue->first == NULL && !queue->is_taken;
    pthread_mutex_unlock(&queue->lock);
    return is_done;
}
