#include "sessions.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists: circles through a link that is no session ------------------------------------------------------------ */

static void list_init(struct link *list) {
    list->next = list->previous = list;
}

static bool list_is_empty(const struct link *list) {
    return list->next == list;
}

static void list_unlink(struct link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void list_append(struct link *list, struct link *link) {
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

/* Moves all of `from` to just behind `at`, which is a list's head or a link in it. */
static void list_splice(struct link *from, struct link *at) {
    if (list_is_empty(from)) return;
    from->next->previous = at;
    from->previous->next = at->next;
    at->next->previous = from->previous;
    at->next = from->next;
    list_init(from);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int compare_sessions(const void *left, const void *right) {
    const struct session *a = left, *b = right;
    int order = strcmp(a->user, b->user);
    if (order == 0) order = strcmp(a->session, b->session);
    return order != 0 ? order : strcmp(a->scope, b->scope);
}

struct session *sessions_find(struct sessions *sessions, const char *scope, const char *user, const char *session) {
    struct session key = {.scope = scope, .user = user, .session = session};
    void *found = tfind(&key, &sessions->tree, compare_sessions);
    return found == NULL ? NULL : *(struct session **)found;
}

/* ---- the wheel --------------------------------------------------------------------------------------------------- */

void sessions_set_ttl(struct sessions *sessions, uint32_t ttl_ms, uint64_t now_ms) {
    uint32_t slot_ms = ttl_ms / 3 / SESSIONS_SLOTS;
    if (slot_ms == sessions->slot_ms) return;
    sessions->slot_ms = slot_ms == 0 ? 1 : slot_ms;
    if (sessions->next_ms > now_ms + sessions->slot_ms) sessions->next_ms = now_ms + sessions->slot_ms;
}

void sessions_init(struct sessions *sessions, uint32_t ttl_ms, unsigned offset, uint64_t now_ms) {
    *sessions = (struct sessions){.next_ms = UINT64_MAX, .offset = offset % SESSIONS_SLOTS};
    list_init(&sessions->due);
    list_init(&sessions->sending);
    list_init(&sessions->leaving);
    for (int i = 0; i < SESSIONS_SLOTS; i++) list_init(&sessions->slots[i]);
    sessions_set_ttl(sessions, ttl_ms, now_ms);
}

/* One of so many slots is used: all of them once each then gets SESSIONS_SHARE_MIN sessions. */
static unsigned stride_of(const struct sessions *sessions) {
    unsigned used = 1;
    while (used < SESSIONS_SLOTS && sessions->count / (2 * used) >= SESSIONS_SHARE_MIN) used *= 2;
    return SESSIONS_SLOTS / used;
}

/* The emptiest slot that is used; of equal ones the one that is furthest ahead. */
static unsigned slot_for_next_turn(const struct sessions *sessions) {
    unsigned stride = stride_of(sessions), best = sessions->offset;
    size_t best_load = SIZE_MAX;
    for (unsigned back = 0; back < SESSIONS_SLOTS; back++) {
        unsigned slot = (sessions->hand + SESSIONS_SLOTS - back) % SESSIONS_SLOTS;
        if ((slot + SESSIONS_SLOTS - sessions->offset) % stride != 0 || sessions->loads[slot] >= best_load) continue;
        best = slot;
        best_load = sessions->loads[slot];
    }
    return best;
}

static void put_in_slot(struct sessions *sessions, struct session *session) {
    assert(session->slot < 0);
    unsigned slot = slot_for_next_turn(sessions);
    list_append(&sessions->slots[slot], &session->link);
    sessions->loads[slot]++;
    session->slot = (int)slot;
}

/* Takes a session out of whatever list it is in. */
static void session_unlist(struct sessions *sessions, struct session *session) {
    list_unlink(&session->link);
    if (session->slot < 0) return;
    assert(sessions->loads[session->slot] != 0);
    sessions->loads[session->slot]--;
    session->slot = -1;
}

static void slot_is_due(struct sessions *sessions, unsigned slot) {
    struct link *list = &sessions->slots[slot];
    for (struct link *link = list->next; link != list; link = link->next) ((struct session *)link)->slot = -1;
    list_splice(list, sessions->due.previous);
    sessions->loads[slot] = 0;
}

void sessions_turn(struct sessions *sessions, uint64_t now_ms) {
    for (int i = 0; i < SESSIONS_SLOTS && sessions->next_ms <= now_ms; i++) {
        sessions->hand = (sessions->hand + 1) % SESSIONS_SLOTS;
        sessions->next_ms += sessions->slot_ms;
        slot_is_due(sessions, sessions->hand);
    }
    if (sessions->next_ms <= now_ms) sessions->next_ms = now_ms + sessions->slot_ms; /* a whole turn was missed */
}

void sessions_all_due(struct sessions *sessions, uint64_t since_ms) {
    for (unsigned i = 0; i < SESSIONS_SLOTS; i++) slot_is_due(sessions, i);
    for (struct link *link = sessions->due.next; link != &sessions->due; link = link->next) {
        struct session *session = (struct session *)link;
        if (session->told_ms > since_ms) session->told_ms = 0;
    }
}

/* ---- adding and removing ----------------------------------------------------------------------------------------- */

static void session_free(struct session *session) {
    free(session->state);
    free(session);
}

static void free_list(struct link *list) {
    for (struct link *link = list->next, *next; link != list; link = next) {
        next = link->next;
        session_free((struct session *)link);
    }
    list_init(list);
}

static void keep_node(void *node) {
    (void)node; /* the lists own the sessions */
}

void sessions_free(struct sessions *sessions) {
    tdestroy(sessions->tree, keep_node);
    free_list(&sessions->due);
    free_list(&sessions->sending);
    free_list(&sessions->leaving);
    for (int i = 0; i < SESSIONS_SLOTS; i++) free_list(&sessions->slots[i]);
}

static bool session_set(struct session *session, enum muster_status status, const void *state, size_t state_len) {
    void *copy = NULL;
    if (state_len != 0 && (copy = malloc(state_len)) == NULL) return false;
    if (state_len != 0) memcpy(copy, state, state_len);
    free(session->state);
    session->state = copy;
    session->state_len = state_len;
    session->status = status;
    session->told_ms = 0;
    return true;
}

struct session *sessions_add(struct sessions *sessions, const char *scope, const char *user, const char *session,
                             enum muster_status status, const void *state, size_t state_len) {
    size_t scope_size = strlen(scope) + 1, user_size = strlen(user) + 1, session_size = strlen(session) + 1;
    struct session *made = calloc(1, sizeof *made + scope_size + user_size + session_size);
    if (made == NULL) return NULL;
    made->text_len = scope_size + user_size + session_size;
    made->scope = memcpy(made->text, scope, scope_size);
    made->user = memcpy(made->text + scope_size, user, user_size);
    made->session = memcpy(made->text + scope_size + user_size, session, session_size);
    made->slot = -1;
    if (!session_set(made, status, state, state_len) || tsearch(made, &sessions->tree, compare_sessions) == NULL) {
        session_free(made);
        return NULL;
    }
    list_append(&sessions->due, &made->link);
    sessions->count++;
    return made;
}

bool sessions_update(struct sessions *sessions, struct session *session, enum muster_status status, const void *state,
                     size_t state_len) {
    if (!session_set(session, status, state, state_len)) return false;
    session_unlist(sessions, session);
    list_append(&sessions->due, &session->link);
    return true;
}

void sessions_remove(struct sessions *sessions, struct session *session, uint32_t linger_ms) {
    tdelete(session, &sessions->tree, compare_sessions);
    session_unlist(sessions, session);
    assert(sessions->count != 0);
    sessions->count--;
    session->linger_ms = linger_ms;
    list_append(&sessions->leaving, &session->link);
}

static void remove_list(struct sessions *sessions, struct link *list) {
    while (!list_is_empty(list)) sessions_remove(sessions, (struct session *)list->next, 0);
}

void sessions_remove_all(struct sessions *sessions) {
    remove_list(sessions, &sessions->due);
    remove_list(sessions, &sessions->sending);
    for (int i = 0; i < SESSIONS_SLOTS; i++) remove_list(sessions, &sessions->slots[i]);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static struct muster_beat whole_beat(const struct session *session) {
    return (struct muster_beat){.scope = session->scope,
                                .user = session->user,
                                .session = session->session,
                                .status = session->status,
                                .state = session->state,
                                .state_len = session->state_len};
}

size_t sessions_take(struct sessions *sessions, size_t limit, struct muster_beat *beats, bool *refreshes) {
    size_t count = 0, bytes = 0;
    assert(list_is_empty(&sessions->sending)); /* one batch at a time */
    while (count < limit && bytes < SESSIONS_BATCH_BYTES_MAX && sessions_has_due(sessions)) {
        struct session *session = (struct session *)sessions->due.next;
        session_unlist(sessions, session);
        list_append(&sessions->sending, &session->link);
        session->is_whole = session->told_ms == 0;
        session->batch_index = (uint32_t)count;
        bytes += session->text_len + (session->is_whole ? session->state_len : 0);
        refreshes[count] = !session->is_whole;
        beats[count] = whole_beat(session);
        if (!session->is_whole) {
            beats[count].status = MUSTER_STATUS_UNSPECIFIED;
            beats[count].state_len = 0;
        }
        count++;
    }
    return count;
}

void sessions_told(struct sessions *sessions, const uint32_t *unknown, size_t count, uint64_t now_ms) {
    for (size_t at = 0; !list_is_empty(&sessions->sending);) {
        struct session *session = (struct session *)sessions->sending.next;
        while (at < count && unknown[at] < session->batch_index) at++;
        bool is_unknown = at < count && unknown[at] == session->batch_index;
        session_unlist(sessions, session);
        if (session->is_whole) session->told_ms = now_ms;
        if (is_unknown) session->told_ms = 0;
        if (is_unknown) list_append(&sessions->due, &session->link);
        else put_in_slot(sessions, session);
    }
}

void sessions_sent(struct sessions *sessions) {
    while (!list_is_empty(&sessions->sending)) {
        struct session *session = (struct session *)sessions->sending.next;
        session_unlist(sessions, session);
        put_in_slot(sessions, session);
    }
}

void sessions_put_back(struct sessions *sessions) {
    list_splice(&sessions->sending, &sessions->due);
}

size_t sessions_leaving(struct sessions *sessions, size_t limit, struct muster_departure *departures,
                        uint32_t *linger_ms) {
    size_t count = 0;
    for (struct link *link = sessions->leaving.next; link != &sessions->leaving && count < limit; link = link->next) {
        const struct session *session = (const struct session *)link;
        if (count == 0) *linger_ms = session->linger_ms;
        if (session->linger_ms != *linger_ms) break;
        departures[count++] =
            (struct muster_departure){.scope = session->scope, .user = session->user, .session = session->session};
    }
    return count;
}

void sessions_left(struct sessions *sessions, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert(sessions_has_leaving(sessions));
        struct session *session = (struct session *)sessions->leaving.next;
        list_unlink(&session->link);
        session_free(session);
    }
}
