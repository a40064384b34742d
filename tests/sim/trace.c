#include "trace.h"

#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { NAME_BYTES = 32, RECORDS_SHOWN = 4, NAME_SHOWN = 16 };

static const char *const peer_states[] = {"joining", "alive", "suspect", "down", "gone"};

/* A line below the last one of the transcript. */
__attribute__((format(printf, 1, 2))) static void detail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("           ");
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* ---- names ---- */

void trace_started(struct world *world, const struct node *node) {
    struct trace *trace = &world->trace;
    unsigned life = 1;
    if (!trace->is_on) return;
    for (size_t i = 0; i < trace->life_count && i < TRACE_KNOWN_MAX; i++)
        if (trace->lives[i].node == node->index && trace->lives[i].life >= life) life = trace->lives[i].life + 1;
    size_t slot = trace->life_count++ % TRACE_KNOWN_MAX;
    trace->lives[slot].origin = node->origin;
    trace->lives[slot].node = node->index;
    trace->lives[slot].life = life;
    trace->nodes[node->index] = (struct trace_node){0};
}

static const char *origin_name(const struct world *world, uint64_t origin, char name[NAME_BYTES]) {
    const struct trace *trace = &world->trace;
    snprintf(name, NAME_BYTES, "%016" PRIx64, origin);
    for (size_t i = 0; i < trace->life_count && i < TRACE_KNOWN_MAX; i++) {
        if (trace->lives[i].origin != origin) continue;
        if (trace->lives[i].life == 1) snprintf(name, NAME_BYTES, "n%u", trace->lives[i].node);
        else snprintf(name, NAME_BYTES, "n%u.%u", trace->lives[i].node, trace->lives[i].life);
    }
    return name;
}

/* ---- what is sent ---- */

static void trace_request(struct world *world, const struct node *node, const struct action *action) {
    const struct sync_request *request = action->request;
    unsigned to = network_node_of(world, text_of(action->address));
    char after[48] = "";
    const char *what = request->want == WANT_HELLO ? "who it is"
                       : request->want == WANT_OWN ? "its own changes"
                                                   : "all";
    if (request->want == WANT_OWN) snprintf(after, sizeof after, " after %" PRIu64, request->cursor.after);
    else if (request->cursor.is_set) snprintf(after, sizeof after, ", the next page");
    printf("%8" PRIu64 " node %u asks node %u, request %" PRIu64 ": %s%s\n", world->now_ms, node->index, to,
           action->ticket, what, after);
}

/* The changes that a frame holds, or that it holds none. */
static const char *changes_text(const struct frame_head *head, char text[64]) {
    if (head->last == head->previous) return "no changes";
    snprintf(text, 64, "changes %" PRIu64 "..%" PRIu64 "%s", head->previous + 1, head->last,
             head->is_partial ? " and there are more" : "");
    return text;
}

void trace_action(struct world *world, const struct node *node, const struct action *action) {
    char text[64];
    if (!world->trace.is_on) return;
    if (action->kind == ACTION_SYNC_REQUEST) trace_request(world, node, action);
    if (action->kind != ACTION_PUBLISH) return;
    const struct frame_head *head = &action->frame->head;
    printf("%8" PRIu64 " node %u publishes frame %" PRIu64 ": %s, refreshes: %zu\n", world->now_ms, node->index,
           head->number, changes_text(head, text), action->frame->columns.count);
}

/* ---- what is received ---- */

/* How much of a name is shown. */
static int shown(struct text name) {
    return name.len < NAME_SHOWN ? (int)name.len : NAME_SHOWN;
}

/* Of what is received, seen_ms is an age. */
static void trace_records(const struct record_list *records) {
    for (size_t i = 0; i < records->count && i < RECORDS_SHOWN; i++) {
        const struct change *change = &records->items[i];
        char what[64] = "has left";
        if (change->ttl_ms > 0)
            snprintf(what, sizeof what, "is here for %" PRIu32 " ms with status %u", change->ttl_ms, change->status);
        if (change->kind == REGISTER_LEAVE) snprintf(what, sizeof what, "has left with all sessions");
        if (change->kind == REGISTER_STATUS)
            snprintf(what, sizeof what, "has set the status %u for %" PRIu32 " ms", change->status, change->ttl_ms);
        if (change->is_reset) detail("  reset of %.*s", shown(change->scope), change->scope.data);
        else
            detail("  %.*s/%.*s/%.*s %s, %" PRIu64 " ms ago", shown(change->scope), change->scope.data,
                   shown(change->user), change->user.data, shown(change->session), change->session.data, what,
                   change->seen_ms);
    }
    if (records->count > RECORDS_SHOWN) detail("  and %zu more", records->count - RECORDS_SHOWN);
}

void trace_frame(struct world *world, const struct frame *frame) {
    char name[NAME_BYTES], text[64];
    if (!world->trace.is_on) return;
    const struct frame_head *head = &frame->head;
    detail("frame %" PRIu64 " of %s: %s, records: %zu, refreshes: %zu%s%s", head->number,
           origin_name(world, head->origin, name), changes_text(head, text), frame->records.count, frame->refresh_count,
           frame->has_digest ? ", a digest" : "", frame->has_digest && frame->digest.is_leaving ? ": it leaves" : "");
    trace_records(&frame->records);
}

void trace_response(struct world *world, const struct sync_response *response) {
    char name[NAME_BYTES];
    if (!world->trace.is_on) return;
    detail("%s is at %" PRIu64 ", records: %zu%s%s", origin_name(world, response->origin, name), response->sequence,
           response->records.count, response->next.is_set ? ", and it has more" : "",
           response->is_ready ? "" : ", is not ready itself");
    trace_records(&response->records);
}

/* ---- what is learnt ---- */

static uint64_t known_before(const struct trace_node *before, uint64_t origin) {
    for (size_t i = 0; i < before->known_count; i++)
        if (before->known[i].origin == origin) return before->known[i].sequence;
    return 0;
}

static void learn_sequences(struct world *world, const struct node *node, struct trace_node *seen) {
    struct known known[TRACE_KNOWN_MAX];
    char name[NAME_BYTES];
    size_t count = replica_vector(node->replica, known, TRACE_KNOWN_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t before = known_before(seen, known[i].origin);
        if (known[i].sequence == before || known[i].origin == node->origin) continue;
        detail("node %u knows %s up to %" PRIu64 ", was %" PRIu64, node->index,
               origin_name(world, known[i].origin, name), known[i].sequence, before);
    }
    memcpy(seen->known, known, count * sizeof *known);
    seen->known_count = count;
}

static void learn_peers(struct world *world, const struct node *node, struct trace_node *seen) {
    static struct peer_view views[TRACE_KNOWN_MAX];
    char name[NAME_BYTES];
    size_t count = replica_peers(node->replica, node_now_ms(world, node), views, TRACE_KNOWN_MAX);
    for (size_t i = 0; i < count; i++) {
        if (views[i].is_self || views[i].origin == 0) continue;
        size_t j = 0;
        while (j < seen->peer_count && seen->peers[j].origin != views[i].origin) j++;
        bool is_new = j == seen->peer_count;
        if (is_new && seen->peer_count == TRACE_KNOWN_MAX) continue;
        if (is_new || seen->peers[j].state != views[i].state)
            detail("node %u: %s is %s%s%s", node->index, origin_name(world, views[i].origin, name),
                   peer_states[views[i].state], is_new ? "" : ", was ",
                   is_new ? "" : peer_states[seen->peers[j].state]);
        seen->peers[j].origin = views[i].origin;
        seen->peers[j].state = views[i].state;
        if (is_new) seen->peer_count++;
    }
}

void trace_learnt(struct world *world, const struct node *node) {
    struct trace_node *seen = &world->trace.nodes[node->index];
    if (!world->trace.is_on || !node->is_up) return;
    learn_sequences(world, node, seen);
    learn_peers(world, node, seen);
    bool is_ready = replica_is_ready(node->replica, node_now_ms(world, node));
    if (is_ready && !seen->is_ready) detail("node %u answers reads", node->index);
    seen->is_ready = is_ready;
}
