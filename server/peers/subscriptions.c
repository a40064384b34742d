#include "subscriptions.h"
#include "dialler.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_AGAIN_MS = 1000 };

/* The lock guards all but the link. */
struct subscription {
    struct subscriptions *all;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
    bool is_wanted;
    bool is_other;      /* the address is another one than the link's */
    uint64_t memory_us; /* memory was short: when it is tried again */

    struct link *link; /* the dialler's; NULL: none */
};

struct subscriptions {
    struct node *node;
    struct dialler *dialler;
    pthread_mutex_t lock;
    struct subscription items[REPLICA_PEERS_MAX];
};

/* ---- on the dialler's thread ------------------------------------------------------------------------------------- */

/* The address of the peer whose frames these are; false: it is no longer subscribed to. */
static bool read_address(struct subscription *subscription, char out[REPLICA_ADDRESS_BYTES_MAX + 1]) {
    pthread_mutex_lock(&subscription->all->lock);
    bool is_wanted = subscription->is_wanted && !subscription->is_other;
    if (is_wanted) memcpy(out, subscription->address, sizeof subscription->address);
    pthread_mutex_unlock(&subscription->all->lock);
    return is_wanted;
}

static void take_frame(void *context, struct text frame) {
    struct subscription *subscription = context;
    char from[REPLICA_ADDRESS_BYTES_MAX + 1];
    if (read_address(subscription, from)) node_frame(subscription->all->node, text_of(from), frame, clock_now());
}

static const struct link_kind subscription_kind = {
    .own = SP_SUB, .other = SP_PUB, .message_bytes_max = REPLICA_FRAME_BYTES_MAX, .message = take_frame};

static void tell_not_dialled(const struct subscription *subscription, const char *why) {
    log_line(LEVEL_WARN, "not_dialled", "cannot subscribe to a peer", {"address", subscription->address, 0},
             {"result", why, 0});
}

static void obtain_link(struct subscription *subscription, uint64_t now_us) {
    if (now_us < subscription->memory_us) return;
    if ((subscription->link = link_new(&subscription_kind, subscription)) != NULL) return;
    subscription->memory_us = now_us + MEMORY_AGAIN_MS * 1000;
    tell_not_dialled(subscription, "out of memory");
}

/* Dials where the link is down, or silent. Returns when to look at it again. */
static uint64_t keep_link(struct subscription *subscription, uint64_t now_us) {
    struct link *link = subscription->link;
    uint64_t silent_us = link_heard_us(link) + SUBSCRIPTION_SILENT_MS * 1000;
    enum muster_code why = link_why(link)->code;
    if (link_state(link) == LINK_UP && now_us >= silent_us) {
        link_dial(link, subscription->address, now_us);
    } else if (link_state(link) == LINK_DOWN && now_us >= link_again_us(link)) {
        if (why == MUSTER_RESOURCE_EXHAUSTED || why == MUSTER_INVALID_ARGUMENT)
            tell_not_dialled(subscription, link_why(link)->text);
        link_dial(link, subscription->address, now_us);
    }
    switch (link_state(link)) {
    case LINK_UP:
        return link_heard_us(link) + SUBSCRIPTION_SILENT_MS * 1000;
    case LINK_DOWN:
        return link_again_us(link);
    default:
        return UINT64_MAX;
    }
}

static void keep_subscription(struct subscription *subscription, uint64_t now_us, struct dialled *dialled) {
    if (!subscription->is_wanted || subscription->is_other) {
        link_free(subscription->link);
        subscription->link = NULL;
        subscription->is_other = false;
    }
    if (!subscription->is_wanted) return;
    if (subscription->link == NULL) obtain_link(subscription, now_us);
    if (subscription->link == NULL) {
        dialled_by(dialled, subscription->memory_us);
        return;
    }
    dialled_by(dialled, keep_link(subscription, now_us));
    dialled->links[dialled->count++] = subscription->link;
}

static void keep_subscriptions(void *context, uint64_t now_us, struct dialled *dialled) {
    struct subscriptions *subscriptions = context;
    pthread_mutex_lock(&subscriptions->lock);
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) keep_subscription(&subscriptions->items[i], now_us, dialled);
    pthread_mutex_unlock(&subscriptions->lock);
}

/* ---- on the caller's --------------------------------------------------------------------------------------------- */

static struct subscription *find_wanted(struct subscriptions *subscriptions, const char *address) {
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->is_wanted && strcmp(subscription->address, address) == 0) return subscription;
    }
    return NULL;
}

static bool want_address(struct subscriptions *subscriptions, const char *address) {
    if (find_wanted(subscriptions, address) != NULL) return true;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->is_wanted) continue;
        strcpy(subscription->address, address);
        subscription->is_wanted = subscription->is_other = true;
        return true;
    }
    return false;
}

void subscriptions_add(struct subscriptions *subscriptions, const char *address) {
    pthread_mutex_lock(&subscriptions->lock);
    bool is_added = want_address(subscriptions, address);
    pthread_mutex_unlock(&subscriptions->lock);
    if (is_added) dialler_wake(subscriptions->dialler);
    else log_line(LEVEL_ERROR, "not_subscribed", "too many peers to subscribe to one more", {"address", address, 0});
}

void subscriptions_remove(struct subscriptions *subscriptions, const char *address) {
    pthread_mutex_lock(&subscriptions->lock);
    struct subscription *subscription = find_wanted(subscriptions, address);
    if (subscription != NULL) subscription->is_wanted = false;
    pthread_mutex_unlock(&subscriptions->lock);
    dialler_wake(subscriptions->dialler);
}

struct subscriptions *subscriptions_open(struct node *node) {
    struct subscriptions *subscriptions = calloc(1, sizeof *subscriptions);
    if (subscriptions == NULL) return NULL;
    subscriptions->node = node;
    pthread_mutex_init(&subscriptions->lock, NULL);
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) subscriptions->items[i].all = subscriptions;
    if ((subscriptions->dialler = dialler_start(keep_subscriptions, subscriptions)) != NULL) return subscriptions;
    subscriptions_close(subscriptions);
    return NULL;
}

void subscriptions_close(struct subscriptions *subscriptions) {
    if (subscriptions == NULL) return;
    dialler_stop(subscriptions->dialler);
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) link_free(subscriptions->items[i].link);
    pthread_mutex_destroy(&subscriptions->lock);
    free(subscriptions);
}
