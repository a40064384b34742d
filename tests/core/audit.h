/* Checks the effects of a call against what the model says has changed: for each user joined and left alternate, every
 * change is told once the roll has had its ticks, and nothing is told that did not happen. */
#ifndef MUSTER_TESTS_AUDIT_H
#define MUSTER_TESTS_AUDIT_H

#include "trial.h"

/* Notes what the users of trial->batch are, before the model applies it. */
void audit_before_touch(struct trial *trial, size_t n);
/* After the model has applied the batch, or not, where it was refused (n is 0 then). */
void audit_touch(struct trial *trial, size_t n, const struct touched *touched);
/* After a tick; the model purges after it. */
void audit_tick(struct trial *trial, size_t budget, bool more);
/* After the model was reset. was_known: the scope had users. */
void audit_reset(struct trial *trial, uint32_t scope, bool was_known);

#endif
