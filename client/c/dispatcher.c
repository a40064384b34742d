#include "dispatcher.h"

#include "client.h"
#include "clock.h"

#include <stdlib.h>

/* Those that rest are looked through at most so often. */
enum { REST_GRAIN_MS = 10 };

/* A ring through `next` and `previous` with the list's own turn as its head. */
struct herald {
    herald_attend *attend;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below, and every turn */
    pthread_cond_t called; /* wakes the thread */
    pthread_cond_t attended;
    struct turn queue, resting;
    struct turn *all;
    const struct turn *current;
    uint64_t look_ms; /* when those that rest are looked through; UINT64_MAX: none rests */
    bool is_ending;
};

/* ---- lists: under the mutex ---------------------------------------------------------------------------------------
 */

static void ring_init(struct turn *head) {
    head->next = head->previous = head;
}

static void ring_append(struct turn *head, struct turn *turn) {
    turn->previous = head->previous;
    turn->next = head;
    head->previous->next = turn;
    head->previous = turn;
}

static void turn_unlink(struct turn *turn) {
    if (turn->state == TURN_IDLE) return;
    turn->previous->next = turn->next;
    turn->next->previous = turn->previous;
    turn->state = TURN_IDLE;
}

static void queue_append(struct herald *herald, struct turn *turn) {
    turn_unlink(turn);
    ring_append(&herald->queue, turn);
    turn->state = TURN_QUEUED;
}

/* Queues those that have rested, and notes when to look again. */
static void look_through_resting(struct herald *herald, uint64_t now_ms) {
    herald->look_ms = UINT64_MAX;
    for (struct turn *turn = herald->resting.next, *next; turn != &herald->resting; turn = next) {
        next = turn->next;
        if (turn->due_ms <= now_ms) queue_append(herald, turn);
        else if (turn->due_ms < herald->look_ms) herald->look_ms = turn->due_ms;
    }
    if (herald->look_ms < now_ms + REST_GRAIN_MS) herald->look_ms = now_ms + REST_GRAIN_MS;
}

/* ---- the thread ---------------------------------------------------------------------------------------------------
 */

/* Waits for the next turn, and takes its call; NULL: the end. Under the mutex. */
static struct turn *next_turn(struct herald *herald, bool *is_called) {
    for (;;) {
        uint64_t now_ms = clock_ms();
        if (now_ms >= herald->look_ms) look_through_resting(herald, now_ms);
        struct turn *turn = herald->queue.next;
        if (turn != &herald->queue) {
            turn_unlink(turn);
            *is_called = turn->is_called;
            turn->is_called = false;
            return turn;
        }
        if (herald->is_ending && herald->all == NULL) return NULL;
        if (herald->look_ms == UINT64_MAX) pthread_cond_wait(&herald->called, &herald->mutex);
        else clock_cond_wait(&herald->called, &herald->mutex, herald->look_ms);
    }
}

static void *herald_thread(void *arg) {
    struct herald *herald = arg;
    pthread_mutex_lock(&herald->mutex);
    bool is_called;
    for (struct turn *turn; (turn = next_turn(herald, &is_called)) != NULL;) {
        bool is_dismissed = turn->is_dismissed;
        herald->current = turn;
        pthread_mutex_unlock(&herald->mutex);
        herald->attend(turn, is_called, is_dismissed);
        pthread_mutex_lock(&herald->mutex);
        herald->current = NULL;
        pthread_cond_broadcast(&herald->attended);
    }
    pthread_mutex_unlock(&herald->mutex);
    return NULL;
}

struct herald *herald_new(herald_attend *attend) {
    struct herald *herald = calloc(1, sizeof *herald);
    if (herald == NULL) return NULL;
    herald->attend = attend;
    herald->look_ms = UINT64_MAX;
    ring_init(&herald->queue);
    ring_init(&herald->resting);
    if (pthread_mutex_init(&herald->mutex, NULL) != 0) goto fail_herald;
    if (clock_cond_init(&herald->called) != 0) goto fail_mutex;
    if (clock_cond_init(&herald->attended) != 0) goto fail_called;
    pthread_mutex_lock(&herald->mutex); /* the thread knows itself by herald->thread */
    int rv = thread_start(&herald->thread, herald_thread, herald);
    pthread_mutex_unlock(&herald->mutex);
    if (rv == 0) return herald;
    pthread_cond_destroy(&herald->attended);
fail_called:
    pthread_cond_destroy(&herald->called);
fail_mutex:
    pthread_mutex_destroy(&herald->mutex);
fail_herald:
    free(herald);
    return NULL;
}

void herald_free(struct herald *herald) {
    if (herald == NULL) return;
    pthread_mutex_lock(&herald->mutex);
    herald->is_ending = true;
    for (struct turn *turn = herald->all; turn != NULL; turn = turn->after) {
        turn->is_dismissed = true;
        queue_append(herald, turn);
    }
    pthread_cond_signal(&herald->called);
    pthread_mutex_unlock(&herald->mutex);
    pthread_join(herald->thread, NULL);
    pthread_cond_destroy(&herald->attended);
    pthread_cond_destroy(&herald->called);
    pthread_mutex_destroy(&herald->mutex);
    free(herald);
}

/* ---- turns --------------------------------------------------------------------------------------------------------
 */

void herald_add(struct herald *herald, struct turn *turn) {
    pthread_mutex_lock(&herald->mutex);
    *turn = (struct turn){.after = herald->all};
    if (herald->all != NULL) herald->all->before = turn;
    herald->all = turn;
    pthread_mutex_unlock(&herald->mutex);
}

void herald_remove(struct herald *herald, struct turn *turn) {
    pthread_mutex_lock(&herald->mutex);
    turn_unlink(turn);
    if (turn->after != NULL) turn->after->before = turn->before;
    if (turn->before != NULL) turn->before->after = turn->after;
    else herald->all = turn->after;
    pthread_mutex_unlock(&herald->mutex);
}

void herald_call(struct herald *herald, struct turn *turn) {
    pthread_mutex_lock(&herald->mutex);
    turn->is_called = true;
    if (turn->state != TURN_QUEUED) queue_append(herald, turn);
    pthread_cond_signal(&herald->called);
    pthread_mutex_unlock(&herald->mutex);
}

void herald_dismiss(struct herald *herald, struct turn *turn) {
    pthread_mutex_lock(&herald->mutex);
    turn->is_dismissed = true;
    if (turn->state != TURN_QUEUED) queue_append(herald, turn);
    pthread_cond_signal(&herald->called);
    pthread_mutex_unlock(&herald->mutex);
}

void herald_rest(struct herald *herald, struct turn *turn, uint64_t due_ms) {
    pthread_mutex_lock(&herald->mutex);
    if (turn->state != TURN_QUEUED) {
        turn_unlink(turn);
        ring_append(&herald->resting, turn);
        turn->state = TURN_RESTING;
        turn->due_ms = due_ms;
        if (due_ms < herald->look_ms) herald->look_ms = due_ms;
    }
    pthread_mutex_unlock(&herald->mutex);
}

void herald_hasten(struct herald *herald, uint64_t due_ms) {
    pthread_mutex_lock(&herald->mutex);
    for (struct turn *turn = herald->resting.next; turn != &herald->resting; turn = turn->next) {
        if (turn->due_ms > due_ms) turn->due_ms = due_ms;
        if (turn->due_ms < herald->look_ms) herald->look_ms = turn->due_ms;
    }
    pthread_cond_signal(&herald->called);
    pthread_mutex_unlock(&herald->mutex);
}

void herald_wait_out(struct herald *herald, const struct turn *turn) {
    if (pthread_equal(pthread_self(), herald->thread)) return;
    pthread_mutex_lock(&herald->mutex);
    while (herald->current == turn) pthread_cond_wait(&herald->attended, &herald->mutex);
    pthread_mutex_unlock(&herald->mutex);
}
