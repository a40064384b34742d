#include "common/monotonic.h"
#include "common/url.h"
#include "listener.h"
#include "net_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { RESERVED_PART = 16, RESERVED_MAX = 16, SHARE_PART = 4 };
enum { DRAIN_STEP_MS = 5 };

static size_t at_most(size_t value, size_t most) {
    return value < most ? value : most;
}

static void set_limits(struct door *door, const struct door_config *config) {
    door->connections_max = config->connections_max;
    door->reserved = at_most(door->connections_max / RESERVED_PART, RESERVED_MAX);
    size_t share = config->connections_per_address;
    if (share == 0) {
        share = door->connections_max / SHARE_PART;
        if (share < DOOR_SHARE_MIN) share = DOOR_SHARE_MIN;
        door->share_loopback = share * (SHARE_PART - 1);
    } else {
        door->share_loopback = share;
    }
    door->share = share;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise) {
    return value != 0 ? value : otherwise;
}

static void free_door(struct door *door) {
    if (door->has_own_counts) connection_counts_free(door->counts);
    free(door->drain);
    free(door->shutting);
    free(door);
}

static struct door *door_new(struct loops *loops, const struct door_config *config) {
    struct door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    door->loops = loops;
    door->protocol = config->protocol;
    door->context = config->context;
    door->unread_ms = or_default(config->unread_ms, DOOR_UNREAD_MS);
    door->unfinished_ms = or_default(config->unfinished_ms, DOOR_UNFINISHED_MS);
    door->idle_ms = or_default(config->idle_ms, DOOR_IDLE_MS);
    door->tls = config->tls;
    door->alpn = config->alpn;
    door->is_idle_fine = config->is_idle_fine;
    door->is_on_one_loop = config->is_on_one_loop;
    set_limits(door, config);
    door->has_own_counts = config->counts == NULL;
    door->counts = door->has_own_counts ? connection_counts_new() : config->counts;
    door->drain = calloc(loops->count, sizeof *door->drain);
    door->shutting = calloc(loops->count, sizeof *door->shutting);
    if (door->counts != NULL && door->drain != NULL && door->shutting != NULL) return door;
    free_door(door);
    return NULL;
}

static enum stream_kind kind_of(const char *url) {
    if (url_is_tls(url)) return STREAM_TLS;
    return url_authority(url) != NULL ? STREAM_TCP : STREAM_IPC;
}

static bool open_listeners(struct door *door, const struct door_config *config, struct error *error) {
    assert(config->url_count > 0 && config->url_count <= DOOR_URLS_MAX);
    for (; door->listener_count < config->url_count; door->listener_count++) {
        struct listener *listener = &door->listeners[door->listener_count];
        const char *url = config->urls[door->listener_count];
        listener->door = door;
        listener->kind = kind_of(url);
        if (listener->kind == STREAM_TLS && config->tls == NULL)
            return error_fail(error, MUSTER_INVALID_ARGUMENT, "cannot listen on %.200s: there is no certificate", url);
        listener->source.kind = SOURCE_LISTENER;
        listener->source.fd = listener_open(url, listener->url, sizeof listener->url, error);
        if (listener->source.fd < 0) return error_prefix(error, "cannot listen on %.200s", url);
    }
    return true;
}

/* Doors are opened by one thread. */
static void enlist_door(struct door *door) {
    struct loops *loops = door->loops;
    door->index = atomic_load(&loops->door_count);
    assert(door->index < DOORS_MAX);
    loops->doors[door->index] = door;
    atomic_store(&loops->door_count, door->index + 1);
}

static void close_listeners(struct door *door) {
    for (size_t i = 0; i < door->listener_count; i++)
        listener_close(door->listeners[i].source.fd, door->listeners[i].url);
    door->listener_count = 0;
}

struct door *door_open(struct loops *loops, const struct door_config *config, struct error *error) {
    (void)error_fail_memory(error);
    struct door *door = door_new(loops, config);
    if (door == NULL) return NULL;
    if (!open_listeners(door, config, error)) goto fail;
    enlist_door(door);
    for (size_t i = 0; i < door->listener_count; i++)
        if (!loop_watch(&loops->items[0], &door->listeners[i].source, EPOLLIN, true)) abort();
    return door;

fail:
    close_listeners(door);
    free_door(door);
    return NULL;
}

const char *door_url(const struct door *door, size_t i) {
    assert(i < door->listener_count);
    return door->listeners[i].url;
}

struct door_figures door_figures(const struct door *door) {
    struct door_figures figures = {.connections = atomic_load(&door->connections),
                                   .refused = atomic_load(&door->refused)};
    for (unsigned i = 0; i < door->loops->count; i++) {
        const struct door_part *part = &door->loops->items[i].parts[door->index];
        figures.requests += atomic_load(&part->requests);
        for (size_t j = 0; j < STREAM_ENDS; j++) figures.ended[j] += atomic_load(&part->ended[j]);
    }
    return figures;
}

static void run_shutting(struct post *post, struct loop *loop) {
    struct door *door = ((struct door_shutting *)post)->door;
    for (size_t i = 0; i < door->listener_count && loop->index == 0; i++) listener_shut(loop, &door->listeners[i]);
    if (door->protocol->drain != NULL) (void)streams_drain(loop, door, DRAIN_LOOK);
}

void door_refuse(struct door *door) {
    if (atomic_exchange(&door->is_refusing, true)) return;
    for (unsigned i = 0; i < door->loops->count; i++) {
        door->shutting[i] = (struct door_shutting){.post.run = run_shutting, .door = door};
        loop_post(&door->loops->items[i], &door->shutting[i].post);
    }
}

/* Runs between two turns of the loop: everything it has read is answered. */
static void answer_drain(struct post *post, struct loop *loop) {
    struct drain_question *question = (struct drain_question *)post;
    bool is_busy = streams_drain(loop, question->door, question->step);
    atomic_store(&question->state, is_busy ? DRAIN_BUSY : DRAIN_CLEAR);
}

static void ask_drain(struct door *door, enum drain_step step) {
    for (unsigned i = 0; i < door->loops->count; i++) {
        struct drain_question *question = &door->drain[i];
        question->post.run = answer_drain;
        question->door = door;
        question->step = step;
        atomic_store(&question->state, DRAIN_ASKED);
        loop_post(&door->loops->items[i], &question->post);
    }
}

/* DRAIN_ASKED: not all have answered yet. */
static enum drain_state drain_answer(const struct door *door) {
    enum drain_state answer = DRAIN_CLEAR;
    for (unsigned i = 0; i < door->loops->count; i++) {
        enum drain_state state = atomic_load(&door->drain[i].state);
        if (state == DRAIN_ASKED) return DRAIN_ASKED;
        if (state == DRAIN_BUSY) answer = DRAIN_BUSY;
    }
    return answer;
}

/* How far the drain of a door is. */
struct drain {
    struct door *door;
    uint64_t quiet_us; /* when something last arrived, or was not sent yet */
    uint64_t requests;
    bool is_over;
};

static void drain_begin(struct drain *drain, struct door *door, uint64_t now_us) {
    *drain = (struct drain){.door = door, .quiet_us = now_us, .requests = door_figures(door).requests};
    door_refuse(door);
    ask_drain(door, DRAIN_LOOK);
}

static void drain_look(struct drain *drain, uint64_t now_us, bool is_last) {
    enum drain_state answer = drain_answer(drain->door);
    uint64_t requests = door_figures(drain->door).requests;
    if (requests != drain->requests || answer == DRAIN_BUSY) drain->quiet_us = now_us;
    drain->requests = requests;
    drain->is_over = answer == DRAIN_CLEAR && now_us - drain->quiet_us > DRAIN_QUIET_MS * 1000;
    if (!drain->is_over && answer != DRAIN_ASKED) ask_drain(drain->door, is_last ? DRAIN_LAST : DRAIN_CLOSE);
}

bool doors_drain(struct door *const doors[], size_t count, uint32_t timeout_ms) {
    struct drain drains[DOORS_MAX];
    uint64_t start_us = monotonic_us(), now_us = start_us;
    assert(count <= DOORS_MAX);
    for (size_t i = 0; i < count; i++) drain_begin(&drains[i], doors[i], now_us);
    for (; now_us - start_us < (uint64_t)timeout_ms * 1000; now_us = monotonic_us()) {
        bool are_over = true, is_last = now_us - start_us > DRAIN_CLOSE_ALL_MS * 1000;
        for (size_t i = 0; i < count; i++) {
            if (!drains[i].is_over) drain_look(&drains[i], now_us, is_last);
            are_over &= drains[i].is_over;
        }
        if (are_over) return true;
        usleep(DRAIN_STEP_MS * 1000);
    }
    return false;
}

bool door_drain(struct door *door, uint32_t timeout_ms) {
    return doors_drain(&door, 1, timeout_ms);
}

void door_close(struct door *door) {
    if (door == NULL) return;
    struct loops *loops = door->loops;
    loops_run_posts(loops);
    for (unsigned i = 0; i < loops->count; i++) streams_close_of(&loops->items[i], door);
    assert(atomic_load(&door->connections) == 0);
    close_listeners(door);
    loops->doors[door->index] = NULL;
    free_door(door);
}
