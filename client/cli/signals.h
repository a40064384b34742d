/* Signals as a readable descriptor, for commands that run until they are interrupted. Main thread, once per program. */
#ifndef MUSTER_CLI_SIGNALS_H
#define MUSTER_CLI_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT are delivered to signals_take, except those that the parent ignored,
 * as nohup(1) does; with_resizes: SIGWINCH too. Returns a file descriptor that becomes readable when one arrives; it
 * stays open. Ends the program if no descriptor is available. Any thread may receive the signals. */
int signals_open(bool with_resizes);

/* Takes the signals that arrived, without waiting. Returns whether the program is to end. *resized: whether the
 * terminal has a new size; may be NULL. */
bool signals_take(bool *resized);

/* Restores the default actions: a second signal then ends the program at once. */
void signals_let_go(void);

#endif
