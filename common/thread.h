/* Threads of the library. */
#ifndef MUSTER_COMMON_THREAD_H
#define MUSTER_COMMON_THREAD_H

#include <pthread.h>

/* pthread_create for a thread that takes none of the program's signals. */
int thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

#endif
