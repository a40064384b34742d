#include "action_queue.h"
#include "common/waiting.h"
#include "gossip.h"
#include "sys/log.h"

#include <stdlib.h>
#include <string.h>

void errand_free(struct errand *errand) {
    if (errand == NULL) return;
    if (errand->message != NULL) nng_msg_free(errand->message);
    free(errand);
}

void errands_open(struct errands *errands) {
    *errands = (struct errands){.count = 0};
    errands->last = &errands->first;
    pthread_mutex_init(&errands->lock, NULL);
    waiting_init(&errands->come);
}

void errands_close(struct errands *errands) {
    struct errand *next;
    for (struct errand *errand = errands->first; errand != NULL; errand = next) {
        next = errand->next;
        errand_free(errand);
    }
    pthread_cond_destroy(&errands->come);
    pthread_mutex_destroy(&errands->lock);
}

static struct errand *copy_of(const struct action *action) {
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL || action->address.len > REPLICA_ADDRESS_BYTES_MAX) goto fail;
    errand->kind = action->kind;
    errand->ticket = action->ticket;
    if (action->address.len > 0) memcpy(errand->address, action->address.data, action->address.len);
    if (action->len == 0) return errand;
    if (nng_msg_alloc(&errand->message, action->len) != 0) goto fail;
    memcpy(nng_msg_body(errand->message), action->bytes, action->len);
    return errand;

fail:
    free(errand);
    return NULL;
}

void errands_put(struct errands *errands, const struct action *action) {
    pthread_mutex_lock(&errands->lock);
    bool is_dropped = action->kind == ACTION_PUBLISH && errands->count >= GOSSIP_ERRANDS_MAX;
    struct errand *errand = is_dropped ? NULL : copy_of(action);
    if (errand != NULL) {
        *errands->last = errand;
        errands->last = &errand->next;
        errands->count++;
        pthread_cond_signal(&errands->come);
    }
    pthread_mutex_unlock(&errands->lock);
    if (errand == NULL)
        log_line(LEVEL_WARN, "errand_dropped", "more to be sent than can be; peers will ask for what is missing",
                 {"kind", NULL, (uint64_t)action->kind}, {"bytes", NULL, action->len});
}

void errands_wake(struct errands *errands) {
    pthread_mutex_lock(&errands->lock);
    errands->is_urgent = true;
    pthread_cond_signal(&errands->come);
    pthread_mutex_unlock(&errands->lock);
}

struct errand *errands_take(struct errands *errands) {
    pthread_mutex_lock(&errands->lock);
    struct errand *first = errands->first;
    errands->first = NULL;
    errands->last = &errands->first;
    errands->count = 0;
    errands->is_taken = first != NULL;
    pthread_mutex_unlock(&errands->lock);
    return first;
}

bool errands_wait(struct errands *errands, uint64_t until_us) {
    pthread_mutex_lock(&errands->lock);
    while (!errands->is_urgent && errands->first == NULL)
        if (!waiting_until(&errands->come, &errands->lock, until_us)) break;
    bool is_urgent = errands->is_urgent;
    errands->is_urgent = false;
    pthread_mutex_unlock(&errands->lock);
    return is_urgent;
}

bool errands_are_done(struct errands *errands) {
    pthread_mutex_lock(&errands->lock);
    bool is_done = errands->first == NULL && !errands->is_taken;
    pthread_mutex_unlock(&errands->lock);
    return is_done;
}
