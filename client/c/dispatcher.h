/* The thread of a client on which the callbacks of its watches run: it attends to one after another. */
#ifndef MUSTER_CLIENT_HERALD_H
#define MUSTER_CLIENT_HERALD_H

#include <stdbool.h>
#include <stdint.h>

struct herald;

enum turn_state { TURN_IDLE, TURN_QUEUED, TURN_RESTING };

/* What the thread attends to: a watch, whose first field this is. Guarded by the herald. */
struct turn {
    struct turn *next, *previous; /* in the queue, or among those that rest */
    enum turn_state state;
    uint64_t due_ms; /* of one that rests */
    bool is_called, is_dismissed;
    struct turn *after, *before; /* of all there are */
};

/* Called on the thread, for a turn that was called or has rested. is_called: it was called since the last time;
 * is_dismissed: it is to be removed, now or later. */
typedef void herald_attend(struct turn *turn, bool is_called, bool is_dismissed);

/* NULL: memory or threads are short. */
struct herald *herald_new(herald_attend *attend);
/* Dismisses every turn, waits until all were removed, ends the thread and frees. Not on the thread. `herald` may be
 * NULL. */
void herald_free(struct herald *herald);

/* From now on it is known, and idle. */
void herald_add(struct herald *herald, struct turn *turn);
/* It is known no longer, and may be freed: whoever called or dismissed it has let go of it. On the thread. */
void herald_remove(struct herald *herald, struct turn *turn);

/* Attends to it soon. Any thread. */
void herald_call(struct herald *herald, struct turn *turn);
/* The same, for the last time. */
void herald_dismiss(struct herald *herald, struct turn *turn);
/* Attends to it at due_ms unless it is called before. On the thread. */
void herald_rest(struct herald *herald, struct turn *turn, uint64_t due_ms);
/* Whoever rests longer than until due_ms is attended to then. Any thread; takes no other lock than the herald's. */
void herald_hasten(struct herald *herald, uint64_t due_ms);
/* Waits until the thread does not attend to this turn now. On the thread, it does not wait. */
void herald_wait_out(struct herald *herald, const struct turn *turn);

#endif
