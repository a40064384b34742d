/* Timers, by when they are due: a binary heap. Pure but for memory: time is an argument (monotonic ms). Not
 * thread-safe: the caller holds a mutex. */
#ifndef MUSTER_CLIENT_TIMERS_H
#define MUSTER_CLIENT_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
/* The timer was due, and is no longer set. Under the caller's mutex. */
typedef void timer_fired(struct timer *timer);

/* Embedded in what is to be done then. Zero-initialised, but for `fired`, is a timer that is not set. */
struct timer {
    timer_fired *fired;
    uint64_t due_ms;
    size_t at; /* 1 + where it stands in the heap; 0: it is not set */
};

/* Zero-initialised is empty. */
struct timers {
    struct timer **heap;
    size_t count, capacity, reserved;
};

void timers_free(struct timers *timers);
/* Makes room for one timer more, so that setting it cannot fail. false: memory is short. */
bool timers_reserve(struct timers *timers);
/* Sets a timer for which there is room, or moves one that is set. */
void timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms);
/* The timer is not set after this, whether or not it was. */
void timers_clear(struct timers *timers, struct timer *timer);
/* When the next timer is due; UINT64_MAX: none is set. */
uint64_t timers_next_ms(const struct timers *timers);
/* Takes out a timer that is due at now_ms; NULL: none is. */
struct timer *timers_take_due(struct timers *timers, uint64_t now_ms);

static inline bool timer_is_set(const struct timer *timer) {
    return timer->at != 0;
}

#endif
