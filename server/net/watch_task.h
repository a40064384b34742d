/* The pump of the watches as the loops' task, one for all doors that park watches, and the room that they promise it.
 *
 * The pump asks a door for room before it selects an answer, and delivers answers in groups: what was promised to a
 * connection and is not delivered yet counts as sent. */
#ifndef MUSTER_NET_WATCH_TASK_H
#define MUSTER_NET_WATCH_TASK_H

#include "loop.h"

struct watch_task;
struct watches;

/* Makes the pump of `watches` the task of the loops, from now on; before the first door is opened. Both outlive it.
 * NULL: memory is short. */
struct watch_task *watch_task_start(struct loops *loops, struct watches *watches);
/* After loops_stop, once nothing wakes the pump, and after the doors are closed. `task` may be NULL. */
void watch_task_free(struct watch_task *task);

/* For watch_door.has_room: whether an answer to `connection`, which has so many bytes unsent, is still to be sent;
 * false at `unsent_max`, and while memory is short. Promises that room if so. The name of a connection is the door's,
 * and unique in the process. On the pump's thread alone. */
bool watch_task_promise_room(struct watch_task *task, uint64_t connection, size_t unsent, size_t unsent_max);
/* For watch_door.deliver: an answer of so many bytes is sent, and its promise is kept. On the pump's thread alone. */
void watch_task_keep_promise(struct watch_task *task, uint64_t connection, size_t bytes);

#endif
