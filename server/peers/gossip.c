#include "gossip.h"
#include "action_queue.h"
#include "common/monotonic.h"
#include "net/sp/pub_door.h"
#include "peers_log.h"
#include "subscriptions.h"
#include "sync_requests.h"
#include "sys/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_STEP_MS = 50 }; /* what the log tells of peers */
/* How long a leave may take until it is published, and then until the system has sent it. */
enum { LEAVE_SEND_MS = 500, LEAVE_LINGER_MS = 100, LEAVE_STEP_MS = 2 };

/* The post by which the loop learns of news. It may outlive gossip: then `gossip` is NULL. */
struct news {
    struct post post;
    struct gossip *gossip;
    atomic_bool is_posted;
};

struct gossip {
    struct loop *loop; /* that publishes */
    struct news *news;
    struct node *node;
    struct pub_door *door;

    struct action_queue actions;
    struct subscriptions *subscriptions;
    struct sync_requests *sync_requests;
    struct cluster_log *log;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping, is_leaving;
};

/* ---- frames ---- */

/* Seals and publishes frames. One thread at a time does, so that frames keep the order of their numbers. */
static void publish_all(struct gossip *gossip, struct actions frames) {
    for (struct action *action; (action = actions_take(&frames)) != NULL; action_free(action)) {
        struct text sealed = codec_seal_frame(node_codec(gossip->node), action->frame);
        pub_door_publish(gossip->door, sealed.data, sealed.len);
    }
}

/* Runs on loop 0, in the turn after it sent the answers to what made the news. No other thread has to wake up for the
 * frame to go out. */
static void run_news(struct post *post, struct loop *loop) {
    struct news *news = (struct news *)post;
    struct gossip *gossip = news->gossip;
    (void)loop;
    if (gossip == NULL) { /* gossip was closed meanwhile */
        free(news);
        return;
    }
    atomic_store(&news->is_posted, false);
    if (atomic_load(&gossip->is_leaving)) return;
    bool is_all = false;
    if (action_queue_begin_publishing(&gossip->actions)) {
        is_all = node_flush_news(gossip->node, clock_now());
        publish_all(gossip, action_queue_take_frames(&gossip->actions));
        is_all = action_queue_end_publishing(&gossip->actions) && is_all;
    }
    if (!is_all) action_queue_wake(&gossip->actions);
}

static void news_come(void *context) {
    struct gossip *gossip = context;
    if (!atomic_exchange(&gossip->news->is_posted, true)) loop_post(gossip->loop, &gossip->news->post);
}

/* ---- the beginning ---- */

struct gossip *gossip_open(struct loops *loops, const char *url, size_t subscribers_max, struct error *error) {
    (void)error_fail_memory(error);
    struct gossip *gossip = calloc(1, sizeof *gossip);
    if (gossip == NULL) return NULL;
    action_queue_open(&gossip->actions);
    gossip->loop = loops_at(loops, 0);
    if ((gossip->news = calloc(1, sizeof *gossip->news)) != NULL)
        *gossip->news = (struct news){.post = {.run = run_news}, .gossip = gossip};
    if (gossip->news != NULL && (gossip->door = pub_door_open(loops, url, subscribers_max, error)) != NULL)
        return gossip;
    gossip_close(gossip);
    return NULL;
}

const char *gossip_url(const struct gossip *gossip) {
    return pub_door_url(gossip->door);
}

/* ---- the thread ---- */

static void take_actions(void *context, struct actions actions) {
    struct gossip *gossip = context;
    action_queue_put(&gossip->actions, actions);
}

static void gossip_wake(void *context) {
    struct gossip *gossip = context;
    action_queue_wake(&gossip->actions);
}

static void perform_action(struct gossip *gossip, const struct action *action) {
    switch (action->kind) {
    case ACTION_SYNC_REQUEST:
        sync_requests_send(gossip->sync_requests, action);
        break;
    case ACTION_SUBSCRIBE:
        subscriptions_add(gossip->subscriptions, action->address);
        break;
    case ACTION_UNSUBSCRIBE:
        subscriptions_remove(gossip->subscriptions, action->address);
        break;
    case ACTION_PUBLISH: /* the queue keeps frames apart */
        abort();
    }
}

static void perform_actions(struct gossip *gossip) {
    for (struct actions actions; (actions = action_queue_take(&gossip->actions)).first != NULL;)
        for (struct action *action; (action = actions_take(&actions)) != NULL; action_free(action))
            perform_action(gossip, action);
    while (action_queue_begin_publishing(&gossip->actions)) {
        publish_all(gossip, action_queue_take_frames(&gossip->actions));
        if (action_queue_end_publishing(&gossip->actions)) break;
    }
}

static void *gossip_run(void *context) {
    struct gossip *gossip = context;
    uint64_t tick_us = 0, step_us = 0;
    bool is_urgent = true;
    while (!atomic_load(&gossip->is_stopping)) {
        uint64_t now_us = monotonic_us();
        if ((is_urgent || now_us >= tick_us) && !atomic_load(&gossip->is_leaving))
            tick_us = now_us + node_gossip(gossip->node, clock_now()) * 1000;
        perform_actions(gossip);
        if (now_us >= step_us) {
            cluster_log_step(gossip->log, now_us);
            step_us = now_us + (node_takes_writes(gossip->node) ? LOG_STEP_MS : REPLICA_START_POLL_MS) * 1000;
        }
        is_urgent = action_queue_wait(&gossip->actions, tick_us < step_us ? tick_us : step_us);
    }
    return NULL;
}

bool gossip_start(struct gossip *gossip, struct node *node) {
    gossip->node = node;
    gossip->subscriptions = subscriptions_open(node);
    gossip->sync_requests = sync_requests_open(node);
    gossip->log = cluster_log_open(node);
    if (gossip->subscriptions == NULL || gossip->sync_requests == NULL || gossip->log == NULL) return false;
    node_set_action_sink(node, (struct action_sink){take_actions, gossip_wake, news_come, gossip});
    gossip->has_thread = pthread_create(&gossip->thread, NULL, gossip_run, gossip) == 0;
    return gossip->has_thread;
}

/* ---- the end ---- */

void gossip_leave(struct gossip *gossip) {
    uint64_t until_us = monotonic_us() + LEAVE_SEND_MS * 1000;
    atomic_store(&gossip->is_leaving, true);
    node_leave(gossip->node, clock_now());
    action_queue_wake(&gossip->actions);
    while (!action_queue_is_done(&gossip->actions) && monotonic_us() < until_us) usleep(LEAVE_STEP_MS * 1000);
    usleep(LEAVE_LINGER_MS * 1000);
}

/* The loops have stopped. A post that they did not run is run, and freed, by loops_free. */
static void close_news(struct news *news) {
    if (news == NULL) return;
    news->gossip = NULL;
    if (!atomic_load(&news->is_posted)) free(news);
}

void gossip_close(struct gossip *gossip) {
    if (gossip == NULL) return;
    atomic_store(&gossip->is_stopping, true);
    action_queue_wake(&gossip->actions);
    if (gossip->has_thread) pthread_join(gossip->thread, NULL);
    pub_door_close(gossip->door);
    subscriptions_close(gossip->subscriptions);
    sync_requests_close(gossip->sync_requests);
    cluster_log_close(gossip->log);
    action_queue_close(&gossip->actions);
    close_news(gossip->news);
    free(gossip);
}
