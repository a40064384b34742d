#include "action_queue.h"
#include "common/waiting.h"
#include "sys/log.h"

#include <assert.h>

void action_queue_open(struct action_queue *queue) {
    *queue = (struct action_queue){.is_urgent = false};
    pthread_mutex_init(&queue->lock, NULL);
    waiting_init(&queue->come);
}

void action_queue_close(struct action_queue *queue) {
    actions_free(&queue->frames);
    actions_free(&queue->others);
    pthread_cond_destroy(&queue->come);
    pthread_mutex_destroy(&queue->lock);
}

/* Moves the frames among the actions to one list and the rest to another. */
static void sort_actions(struct actions *actions, struct actions *frames, struct actions *others) {
    for (struct action *action; (action = actions_take(actions)) != NULL;) {
        struct actions one = {action, action, 1};
        actions_move(action->kind == ACTION_PUBLISH ? frames : others, &one);
    }
}

static bool has_work(const struct action_queue *queue) {
    return queue->others.first != NULL || (queue->frames.first != NULL && !queue->is_publishing);
}

void action_queue_put(struct action_queue *queue, struct actions actions) {
    struct actions frames = {0}, others = {0};
    sort_actions(&actions, &frames, &others);
    pthread_mutex_lock(&queue->lock);
    if (queue->frames.count < ACTION_QUEUE_MAX) actions_move(&queue->frames, &frames);
    actions_move(&queue->others, &others);
    if (has_work(queue)) pthread_cond_signal(&queue->come);
    pthread_mutex_unlock(&queue->lock);
    if (frames.first == NULL) return;
    log_line(LEVEL_WARN, "action_dropped", "more to be sent than can be; peers will request what is missing",
             {"frames", NULL, frames.count});
    actions_free(&frames);
}

void action_queue_wake(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->is_urgent = true;
    pthread_cond_signal(&queue->come);
    pthread_mutex_unlock(&queue->lock);
}

static struct actions take_all(struct actions *list) {
    struct actions actions = *list;
    *list = (struct actions){0};
    return actions;
}

struct actions action_queue_take(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    struct actions actions = take_all(&queue->others);
    queue->is_taken = actions.first != NULL;
    pthread_mutex_unlock(&queue->lock);
    return actions;
}

bool action_queue_begin_publishing(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    bool is_mine = !queue->is_publishing;
    queue->is_publishing = true;
    pthread_mutex_unlock(&queue->lock);
    return is_mine;
}

struct actions action_queue_take_frames(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    assert(queue->is_publishing);
    struct actions frames = take_all(&queue->frames);
    pthread_mutex_unlock(&queue->lock);
    return frames;
}

bool action_queue_end_publishing(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    assert(queue->is_publishing);
    queue->is_publishing = false;
    bool is_all = queue->frames.first == NULL;
    pthread_mutex_unlock(&queue->lock);
    return is_all;
}

bool action_queue_wait(struct action_queue *queue, uint64_t until_us) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->is_urgent && !has_work(queue))
        if (!waiting_until(&queue->come, &queue->lock, until_us)) break;
    bool is_urgent = queue->is_urgent;
    queue->is_urgent = false;
    pthread_mutex_unlock(&queue->lock);
    return is_urgent;
}

bool action_queue_is_done(struct action_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    bool is_done =
        queue->others.first == NULL && queue->frames.first == NULL && !queue->is_taken && !queue->is_publishing;
    pthread_mutex_unlock(&queue->lock);
    return is_done;
}
