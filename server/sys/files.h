/* The process's limit of open files. */
#ifndef MUSTER_SYS_FILES_H
#define MUSTER_SYS_FILES_H

#include <stddef.h>

/* Raises the limit as far as the system allows, and returns how many descriptors the process may have open; 0 where
 * the system does not say. */
size_t files_raise_limit(void);

#endif
