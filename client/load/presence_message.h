/* The requests and responses of the contract, without what wraps them on a wire. Pure. */
#ifndef MUSTER_LOAD_PRESENCE_MESSAGE_H
#define MUSTER_LOAD_PRESENCE_MESSAGE_H

#include "common/text.h"
#include "protocol.h"

struct pb_writer;

/* Writes the XRequest of a work that is no WORK_ECHO. Without checks: at most work_request_bytes_max(work). */
void message_write(const struct work *work, struct user_choice *choice, const struct page_token *page,
                   struct pb_writer *out);
/* Reads every field of an XResponse, as a client would. FAULT_MALFORMED: it is none. */
void message_read(const struct work *work, struct text response, struct answer *out);

#endif
