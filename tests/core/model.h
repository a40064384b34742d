/* A naive model of the roll: arrays and loops, written from the contract (server/core/roll.h) to be obviously right.
 * Scopes, users and sessions are indices into pools of names. It knows registers and time, and nothing of what makes
 * the roll fast. */
#ifndef MUSTER_TESTS_MODEL_H
#define MUSTER_TESTS_MODEL_H

#include "core/roll.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers of a user stand among its sessions, under numbers that are none of theirs. */
#define MODEL_LEAVE  (UINT32_MAX - 1)
#define MODEL_STATUS UINT32_MAX

/* A register. It stays here when it is forgotten, until model_purge or a touch; ask model_is_known. */
struct model_member {
    uint32_t session, ttl_ms, state_len;
    uint8_t status;
    char *state;       /* owned */
    bool is_told_live; /* a watcher has not been told that it ended */
    uint64_t ended_ms; /* when a whole tick first saw that it had ended; 0: none has */
    bool is_found;     /* scratch */
    uint64_t seen_ms, stamp, sequence;
};

struct model_user {
    struct model_member *members; /* in no order */
    size_t count, capacity;
};

struct model_scope {
    struct model_user *users;
    uint64_t reset_stamp, reset_sequence, reset_ms; /* of the last reset; 0: none */
};

struct model {
    struct model_scope *scopes;
    uint32_t scope_count, user_count;
    uint64_t retention_ms, members_max, sequence;
};

struct model_beat {
    uint32_t scope, user, session, ttl_ms; /* session: maybe MODEL_LEAVE or MODEL_STATUS */
    uint8_t status;
    bool is_refresh;
    struct text state;
};

/* Live sessions of a user: a test's core may have fewer than others. */
#ifdef ROLL_TEST_SESSIONS_MAX
enum { MODEL_SESSIONS_MAX = ROLL_TEST_SESSIONS_MAX };
#else
enum { MODEL_SESSIONS_MAX = MUSTER_SESSIONS_MAX };
#endif

struct model *model_new(uint32_t scopes, uint32_t users, uint64_t retention_ms, uint64_t members_max);
void model_free(struct model *model);

/* ---- members and users ----------------------------------------------------------------------------------------- */

/* Whether it is of a session, and not of the user as a whole. */
bool model_is_session(const struct model_member *member);
/* Whether its lease holds. */
bool model_is_live(const struct model_member *member, uint64_t now_ms);
bool model_is_known(const struct model *model, const struct model_member *member, uint64_t now_ms);
struct model_user *model_user_at(const struct model *model, uint32_t scope, uint32_t user);
/* NULL if there is none; it may be forgotten. */
struct model_member *model_find(const struct model *model, uint32_t scope, uint32_t user, uint32_t session);
/* What roll_live answers, but for the name. */
struct user_view model_view(const struct model *model, uint32_t scope, uint32_t user, uint64_t now_ms);
uint64_t model_live_members(const struct model *model, uint64_t now_ms);
uint64_t model_known_members(const struct model *model, uint64_t now_ms);
bool model_is_scope_known(const struct model *model, uint32_t scope, uint64_t now_ms);

/* ---- changes ---------------------------------------------------------------------------------------------------- */

/* What the caps say of a batch. Where the contract leaves a choice, `may` is true and `must` is not. */
struct model_refusals {
    bool members_must, members_may; /* more new members than there is room, with all who are gone and not named */
};
/* Cost O(members + n² · sessions). */
struct model_refusals model_refuses(const struct model *model, const struct model_beat *beats, size_t n,
                                    uint64_t now_ms);
/* Applies the batch, whatever the caps say: the roll's own choice of who makes room is followed by model_remove.
 * each: n results. */
struct touched model_touch(struct model *model, const struct model_beat *beats, size_t n, uint64_t stamp,
                           uint64_t now_ms, struct beat_outcome *each);
/* Users who were known and of whom nothing is left, and all of whom there was anything, also those who survive. */
struct model_forgotten {
    uint64_t whole, any;
};
struct model_forgotten model_reset(struct model *model, uint32_t scope, uint64_t stamp, uint64_t now_ms);
void model_remove(struct model_user *user, struct model_member *member);
/* After a whole tick: drops every register that is forgotten, and whose memory the roll must have taken back: so long
 * after its retention, and so long after the tick that saw it end. */
void model_purge(struct model *model, uint64_t now_ms, uint64_t slack_ms);

#endif
