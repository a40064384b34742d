/* Options of a program that was compiled with another version of muster.h. */
#ifndef MUSTER_CLIENT_OPTIONS_H
#define MUSTER_CLIENT_OPTIONS_H

#include "muster/muster.h"

/* Copies the program's options into ours, which are as this library knows them. Fields that are only in ours are 0.
 * theirs: NULL: all are. MUSTER_INVALID_ARGUMENT: a field that is only in theirs is not 0. */
enum muster_code options_copy(void *ours, size_t our_size, const void *theirs, size_t their_size,
                              struct muster_error *error);

#endif
