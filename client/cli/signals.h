/* Signals as something to read, for the commands that run until they are told to end. Main thread, once a program. */
#ifndef MUSTER_CLI_SIGNALS_H
#define MUSTER_CLI_SIGNALS_H

#include <stdbool.h>

/* From now on the signals that end a program (SIGINT, SIGTERM, SIGHUP, SIGQUIT) are for signals_take, but those that
 * the parent had ignored, as nohup(1) does; and SIGWINCH where with_resizes. Returns a file descriptor that is readable
 * once one came; it stays open. Ends the program where there is none to be had. Any thread may get the signals: those
 * of nng block none. */
int signals_open(bool with_resizes);

/* Takes what came, without waiting: whether the program is to end. *resized: the terminal has a new size; may be NULL.
 */
bool signals_take(bool *resized);

/* From now on the signals do again what they do by default: one who does not want to wait for the end can have it. */
void signals_let_go(void);

#endif
