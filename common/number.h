/* Whole numbers in decimal digits. */
#ifndef MUSTER_COMMON_NUMBER_H
#define MUSTER_COMMON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads the digits at *text and moves *text behind them. False, with *number 0 and *text where it was: there are none,
 * or the number passes 2^64 - 1. */
bool number_take(const char **text, uint64_t *number);

#endif
