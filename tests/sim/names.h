/* Whom the clients of a simulated world speak of: few, so that nodes often disagree about the same. */
#ifndef MUSTER_SIM_NAMES_H
#define MUSTER_SIM_NAMES_H

#include "common/text.h"

enum {
    SCOPES = 3,
    USERS = 120, /* most worlds have the first USERS_FEW only */
    USERS_FEW = 7,
    SESSIONS = 3,
    MEMBER_LEAVE = SESSIONS, /* in place of a session: the register of a leave of all sessions */
    MEMBER_STATUS,           /* and that of a status */
    USER_MEMBERS,
    MEMBERS = SCOPES * USERS * USER_MEMBERS,
    STATES = 4,
    MEMBER_UNKNOWN = MEMBERS
};

extern const struct text scope_names[SCOPES], session_names[USER_MEMBERS], state_names[STATES];
extern struct text user_names[USERS];
/* To be called once, before the names are used. */
void names_make(void);

struct member_name {
    unsigned scope, user, session;
};

/* session: an index of session_names. */
unsigned member_of(unsigned scope, unsigned user, unsigned session);
struct member_name member_name(unsigned member);
/* The index of a name; `count` if it is none. */
unsigned name_index(const struct text *names, unsigned count, struct text name);
/* MEMBER_UNKNOWN if it is none. */
unsigned member_find(struct text scope, struct text user, struct text session);

#endif
