#include "names.h"

#include "core/roll.h"

#include <assert.h>
#include <stdio.h>

#define NAME(literal)                                                                                                  \
    { literal, sizeof(literal) - 1 }

const struct text scope_names[SCOPES] = {NAME("default"), NAME("room:1"),
                                         NAME("a scope whose name is a good deal longer than others")};
const struct text session_names[USER_MEMBERS] = {NAME(""), NAME("tab-1"), NAME("a-telephone-with-a-long-name"),
                                                 NAME("\0\1"), NAME("\0\2")};
const struct text state_names[STATES] = {
    NAME(""), NAME("typing"), NAME("{\"x\":17,\"y\":4}"),
    NAME("a state that is somewhat longer than the room that a short one has had")};
/* The last of the few has an id that does not fit into the record of a member. */
struct text user_names[USERS] = {NAME("ada"),
                                 NAME("grace"),
                                 NAME("barbara"),
                                 NAME("edsger"),
                                 NAME("leslie"),
                                 NAME("tony"),
                                 NAME("a user with an id that is longer than most")};

enum { NAME_BYTES = 18 };

void names_make(void) {
    static char names[USERS][NAME_BYTES];
    assert(text_equal(session_names[MEMBER_LEAVE], register_session(REGISTER_LEAVE)));
    assert(text_equal(session_names[MEMBER_STATUS], register_session(REGISTER_STATUS)));
    for (unsigned i = USERS_FEW; i < USERS; i++) {
        int len = snprintf(names[i], NAME_BYTES, "user-%012u", i);
        user_names[i] = (struct text){names[i], (uint32_t)len};
    }
}

unsigned member_of(unsigned scope, unsigned user, unsigned session) {
    return (scope * USERS + user) * USER_MEMBERS + session;
}

struct member_name member_name(unsigned member) {
    return (struct member_name){member / USER_MEMBERS / USERS, member / USER_MEMBERS % USERS, member % USER_MEMBERS};
}

unsigned name_index(const struct text *names, unsigned count, struct text name) {
    unsigned i = 0;
    while (i < count && !text_equal(names[i], name)) i++;
    return i;
}

static unsigned user_index(struct text name) {
    unsigned i = 0;
    for (uint32_t at = 5; name.len == NAME_BYTES - 1 && at < name.len; at++)
        i = i * 10 + (unsigned)(name.data[at] - '0');
    if (i >= USERS_FEW && i < USERS && text_equal(user_names[i], name)) return i;
    i = name_index(user_names, USERS_FEW, name);
    return i == USERS_FEW ? (unsigned)USERS : i;
}

unsigned member_find(struct text scope, struct text user, struct text session) {
    unsigned s = name_index(scope_names, SCOPES, scope), u = user_index(user),
             t = name_index(session_names, USER_MEMBERS, session);
    return s == SCOPES || u == USERS || t == USER_MEMBERS ? (unsigned)MEMBER_UNKNOWN : member_of(s, u, t);
}
