/* What every way to ask a node must give alike: run on a node in this process, and on a server over tcp and ipc.
 * Each uses scopes of its own, and ends the test that calls it where an answer is wrong. None needs time to pass. */
#ifndef MUSTER_TESTS_SUPPORT_CALL_SUITE_H
#define MUSTER_TESTS_SUPPORT_CALL_SUITE_H

#include "request_builder.h"

void suite_touch(const struct answerer *answerer);
void suite_displaced(const struct answerer *answerer); /* more sessions of a user than it may have */
void suite_refresh(const struct answerer *answerer);   /* beats that only say "still here" */
void suite_leave(const struct answerer *answerer);
void suite_leave_unknown(const struct answerer *answerer);
void suite_set_status(const struct answerer *answerer);
void suite_linger(const struct answerer *answerer);
void suite_live(const struct answerer *answerer);
void suite_list_pages(const struct answerer *answerer);
void suite_list_filters(const struct answerer *answerer);
void suite_list_recent(const struct answerer *answerer);
void suite_counts(const struct answerer *answerer);
void suite_scopes(const struct answerer *answerer);
void suite_where(const struct answerer *answerer);
void suite_reset(const struct answerer *answerer);
void suite_refusals(const struct answerer *answerer);         /* fields out of their limits */
void suite_token_refusals(const struct answerer *answerer);   /* page tokens from nowhere */
void suite_message_refusals(const struct answerer *answerer); /* bytes that are no request */
void suite_reply_cap(const struct answerer *answerer);        /* answers that would pass the size of a message */

#endif
