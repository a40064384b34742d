/* One trial: a roll and its model, fed alike. What the parts of the model test share. */
#ifndef MUSTER_TESTS_TRIAL_H
#define MUSTER_TESTS_TRIAL_H

#include "model.h"
#include "names.h"
#include "support/random.h"

/* Whether the core was built so that the hashes of names collide all the time; populations are small then. */
#ifdef ROLL_TEST_WEAK_HASH
enum { PLACES_MAY_COLLIDE = 1, WEAK_USERS_MAX = 500 };
#else
enum { PLACES_MAY_COLLIDE = 0, WEAK_USERS_MAX = 0 };
#endif

/* What a trial is like. */
struct world {
    const char *name;
    uint32_t scopes, users, sessions;
    uint64_t retention_ms, members_max, bytes_max;
    uint32_t log_slots, batch_max, steps, state_bytes_max;
    uint32_t compare_every; /* steps between two looks at everything */
    uint32_t jumps;         /* how often in 1000 steps time leaps far */
    uint32_t trials;        /* a seed */
    bool is_capped;         /* batches may be refused, and members make room */
    bool grows;             /* users come one after the other, from none to all */
};

/* What the effects have told of a user so far. */
struct told {
    bool is_live;
    bool is_reset; /* it was live at a reset, and nothing was told of it since */
    uint64_t view; /* digest of the status, states and live sessions when it was told last */
    uint64_t mark; /* scratch: the call that told of it */
};

/* How often users of a scope joined and left, by what the effects have told; resets count when they are made. */
struct flow {
    uint64_t joined, left;
};

struct trial {
    const struct world *world;
    uint64_t seed, step;
    const char *doing; /* for the message of a mismatch */
    struct random random;
    struct names scopes, users, sessions;
    struct roll *roll;
    struct model *model;
    uint64_t now_ms, stamp;
    uint64_t ticked_ms;    /* when roll_tick said last that nothing is due */
    bool was_reset;        /* since then */
    bool has_survivors;    /* since then: of a reset, who are counted again by and by */
    uint64_t *evicted_ms;  /* by scope: the latest seen_ms of a user who made room and is missed; 0: none */
    uint64_t made_room_ms; /* the latest seen_ms of a member who made room; 0: none */
    struct told *told;     /* by scope and user */
    struct flow *flows;    /* by scope */
    uint64_t *marks, mark; /* by user: scratch */
    uint64_t *hashes;      /* by user */
    struct effects effects;
    struct user_view *views;  /* room for a page */
    struct model_beat *batch; /* room for world->batch_max */
    struct beat *beats;
    struct before *before;                  /* by beat */
    struct beat_outcome *outcomes;          /* by beat, as the roll says */
    struct beat_outcome *outcomes_in_model; /* and as the model does */
    char *known_states;                     /* by beat: a state that its member has already */
    char *states;                           /* the bytes that states are cut from */
};

/* What a user was before a batch, at its first beat. */
struct before {
    bool is_live, has_silent;
    uint64_t strict, loose;
};

struct trial *trial_new(const struct world *world, uint64_t seed);
void trial_free(struct trial *trial);

/* Fails the test, saying how to have it again, and what differs. */
#define mismatch(trial, ...)                                                                                           \
    do {                                                                                                               \
        trial_report(trial);                                                                                           \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)
void trial_report(const struct trial *trial);
/* Says all that the model and the roll know of a user. */
void trial_report_user(const struct trial *trial, uint32_t scope, uint32_t user);

static inline struct told *trial_told(struct trial *trial, uint32_t scope, uint32_t user) {
    return &trial->told[(size_t)scope * trial->world->users + user];
}

/* The number of a session, or MODEL_LEAVE or MODEL_STATUS; NAMES_NONE. */
int64_t trial_session(const struct trial *trial, struct text name);

/* Whether every count is exact now. */
static inline bool trial_is_ticked(const struct trial *trial) {
    return trial->ticked_ms == trial->now_ms && !trial->has_survivors;
}

/* The width of the buckets in which the roll orders those who are gone. */
static inline uint64_t trial_bucket_ms(const struct trial *trial) {
    return trial->world->retention_ms / 4094 + 1; /* the ring has two more, which are partly in the retention */
}

#endif
