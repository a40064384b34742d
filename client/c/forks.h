/* Whether this process is the child of another one that used the library. */
#ifndef MUSTER_CLIENT_FORKS_H
#define MUSTER_CLIENT_FORKS_H

#include <stdbool.h>

/* Counts the forks on the way to this process from now on. false: memory is short. Any thread. */
bool forks_watch(void);
/* How many there were: in a child it is another number than it was before the fork. */
unsigned forks_count(void);

#endif
