#include "crowd.h"

#include <stdlib.h>
#include <string.h>

void crowd_open(struct crowd *crowd, size_t scopes, size_t users, uint64_t now_ms) {
    *crowd = (struct crowd){.scopes = scopes, .users = users, .now_ms = now_ms, .ticked_ms = now_ms};
    if ((crowd->items = calloc(scopes * users, sizeof *crowd->items)) == NULL) abort();
}

void crowd_close(struct crowd *crowd) {
    free(crowd->items);
    crowd->items = NULL;
}

struct crowd_user *crowd_user(const struct crowd *crowd, size_t scope, size_t user) {
    return &crowd->items[scope * crowd->users + user];
}

bool crowd_is_live(const struct crowd *crowd, size_t scope, size_t user) {
    const struct crowd_user *item = crowd_user(crowd, scope, user);
    for (size_t i = 0; i < CROWD_SESSIONS; i++)
        if (item->until_ms[i] >= crowd->now_ms) return true;
    return false;
}

size_t crowd_live(const struct crowd *crowd, size_t scope) {
    size_t live = 0;
    for (size_t i = 0; i < crowd->users; i++) live += crowd_is_live(crowd, scope, i);
    return live;
}

bool crowd_is_blurred(const struct crowd *crowd, size_t scope, size_t user) {
    const struct crowd_user *item = crowd_user(crowd, scope, user);
    for (size_t i = 0; i < CROWD_SESSIONS; i++)
        if (item->until_ms[i] >= crowd->ticked_ms && item->until_ms[i] < crowd->now_ms) return true;
    return false;
}

void crowd_beat(struct crowd *crowd, size_t scope, size_t user, size_t session, uint64_t ttl_ms) {
    struct crowd_user *item = crowd_user(crowd, scope, user);
    item->until_ms[session] = crowd->now_ms + ttl_ms;
    item->reasons = 0;
}

/* A user who is ended now; one whose lease ended unnoticed may have expired as well. */
static void end(struct crowd *crowd, size_t scope, size_t user, unsigned reason, bool was_live, bool was_blurred) {
    struct crowd_user *item = crowd_user(crowd, scope, user);
    if (crowd_is_live(crowd, scope, user)) return;
    if (was_live) item->reasons = reason;
    if (was_blurred) item->reasons |= reason | CROWD_EXPIRED;
}

void crowd_leave(struct crowd *crowd, size_t scope, size_t user, size_t session, uint64_t linger_ms) {
    struct crowd_user *item = crowd_user(crowd, scope, user);
    bool was_live = crowd_is_live(crowd, scope, user), was_blurred = crowd_is_blurred(crowd, scope, user);
    for (size_t i = 0; i < CROWD_SESSIONS; i++) {
        if (session != CROWD_SESSIONS && session != i) continue;
        bool is_live = item->until_ms[i] >= crowd->now_ms;
        item->until_ms[i] = is_live && linger_ms > 0 ? crowd->now_ms + linger_ms : 0;
    }
    end(crowd, scope, user, CROWD_LEFT, was_live, was_blurred);
}

void crowd_reset(struct crowd *crowd, size_t scope) {
    for (size_t user = 0; user < crowd->users; user++) {
        struct crowd_user *item = crowd_user(crowd, scope, user);
        bool was_live = crowd_is_live(crowd, scope, user), was_blurred = crowd_is_blurred(crowd, scope, user);
        memset(item->until_ms, 0, sizeof item->until_ms);
        end(crowd, scope, user, CROWD_RESET, was_live, was_blurred);
    }
}

unsigned crowd_reasons(const struct crowd *crowd, size_t scope, size_t user) {
    unsigned reasons = crowd_user(crowd, scope, user)->reasons;
    return reasons != 0 ? reasons : CROWD_EXPIRED;
}
