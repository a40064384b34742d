#include "action_queue.h"
#include "common/waiting.h"
#include "gossip.h"
#include "sys/log.h"

void action_queue_open(struct action_queue *queue) {
    *queue = (struct action_queue){.is_urgent = false};
    pthread_mutex_init(&queue->lock, NULL);
    waiting_init(&queue->come);
}

void action_queue_close(struct action_queue *queue) {
    actions_free(&queue->actions);
    pthread_cond_destroy(&queue->come);
    pthread_mutex_destroy(&queue->lock);
}

/* Frees the frames among the actions; the rest stays. Returns how many there were. */
static size_t drop_frames(struct actions *actions) {
    struct actions kept = {0}, dropped = {0};
    for (struct action *action; (action = actions_take(actions)) != NULL;) {
        struct actions one = {action, action, 1};
        actions_move(action->kind == ACTION_PUBLISH ? &dropped : &kept, &one);
    }
    size_t count = dropped.count;
    actions_free(&dropped);
    *actions = kept;
    return count;
}

void action_queue_put(struct action_queue *queue, struct actions actions) {
    size_t dropped = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->actions.count >= ACTION_QUEUE_MAX) dropped = drop_frames(&actions);
    actions_move(&queue->actions, &actions);
    pthread_cond_signal(&queue->come);
    pthread_mutex_unlock(&queue->lock);
    if (dropped > 0)
        log_line(LEVEL_WARN, "action_dropped", "more to be sent than can be; peers will request what is missing",
                 {"frames", NULL, dropped});
}

void action_queue_wake(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->is_urgent = true;
    pthread_cond_signal(&queue->come);
    pthread_mutex_unlock(&queue->lock);
}

struct actions action_queue_take(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    struct actions actions = queue->actions;
    queue->actions = (struct actions){0};
    queue->is_taken = actions.first != NULL;
    pthread_mutex_unlock(&queue->lock);
    return actions;
}

bool action_queue_wait(struct action_queue *queue, uint64_t until_us) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->is_urgent && queue->actions.first == NULL)
        if (!waiting_until(&queue->come, &queue->lock, until_us)) break;
    bool is_urgent = queue->is_urgent;
    queue->is_urgent = false;
    pthread_mutex_unlock(&queue->lock);
    return is_urgent;
}

bool action_queue_is_done(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    bool is_done = queue->actions.first == NULL && !queue->is_taken;
    pthread_mutex_unlock(&queue->lock);
    return is_done;
}
