/* What every way to ask a node must give alike: run on a node in this process, and on a server over tcp and ipc.
 * Each uses scopes of its own, and ends the test that calls it where an answer is wrong. None needs time to pass. */
#ifndef MUSTER_TESTS_RPC_SUITE_H
#define MUSTER_TESTS_RPC_SUITE_H

#include "draft.h"

void suite_touch(const struct asker *asker);
void suite_leave(const struct asker *asker);
void suite_linger(const struct asker *asker);
void suite_live(const struct asker *asker);
void suite_list_pages(const struct asker *asker);
void suite_list_filters(const struct asker *asker);
void suite_list_recent(const struct asker *asker);
void suite_counts(const struct asker *asker);
void suite_scopes(const struct asker *asker);
void suite_reset(const struct asker *asker);
void suite_refusals(const struct asker *asker);         /* fields out of their limits */
void suite_token_refusals(const struct asker *asker);   /* page tokens from nowhere */
void suite_message_refusals(const struct asker *asker); /* bytes that are no request */
void suite_reply_cap(const struct asker *asker);        /* answers that would pass the size of a message */

#endif
