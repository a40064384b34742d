#include "top_sample.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

static char *copy_text(const char *text) {
    return memory_text(text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

/* Makes room for one more item. The capacity is 0 or a power of two. */
static void *room_left(void *items, size_t count, size_t item_bytes) {
    return (count & (count - 1)) == 0 ? memory_grow(items, count == 0 ? 1 : count * 2, item_bytes) : items;
}

struct sample *sample_new(uint64_t at_ms) {
    struct sample *sample = memory_new(sizeof *sample);
    sample->at_ms = at_ms;
    return sample;
}

static void detail_clear(struct sample_detail *detail) {
    for (size_t i = 0; i < detail->user_count; i++) free(detail->users[i].name);
    free(detail->users);
    free(detail->scope.name);
    *detail = (struct sample_detail){0};
}

static void node_clear(struct sample_node *node) {
    free(node->name);
    free(node->address);
    free(node->region);
    free(node->version);
}

void sample_free(struct sample *sample) {
    if (sample == NULL) return;
    for (size_t i = 0; i < sample->scope_count; i++) free(sample->scopes[i].name);
    for (size_t i = 0; i < sample->node_count; i++) node_clear(&sample->nodes[i]);
    detail_clear(&sample->detail);
    free(sample->scopes);
    free(sample->nodes);
    free(sample);
}

void sample_add_scope(struct sample *sample, const struct muster_scope *scope) {
    if (sample->scope_count == SAMPLE_SCOPES_MAX) {
        sample->has_more_scopes = true;
        return;
    }
    sample->scopes = room_left(sample->scopes, sample->scope_count, sizeof sample->scopes[0]);
    sample->scopes[sample->scope_count++] = (struct sample_scope){
        .name = copy_text(scope->scope), .live = scope->live, .joins = RATE_UNKNOWN, .leaves = RATE_UNKNOWN};
}

void sample_add_nodes(struct sample *sample, const struct muster_nodes *nodes) {
    for (size_t i = 0; i < nodes->count && sample->node_count < SAMPLE_NODES_MAX; i++) {
        const struct muster_node *node = &nodes->items[i];
        sample->nodes = room_left(sample->nodes, sample->node_count, sizeof sample->nodes[0]);
        sample->nodes[sample->node_count++] = (struct sample_node){.name = copy_text(node->name),
                                                                   .address = copy_text(node->address),
                                                                   .region = copy_text(node->region),
                                                                   .version = copy_text(node->version),
                                                                   .state = node->state,
                                                                   .is_self = node->is_self,
                                                                   .members = node->members,
                                                                   .lag = node->lag,
                                                                   .delay_ms = node->delay_ms,
                                                                   .silent_ms = node->silent_ms};
    }
}

static void set_counts(struct sample_scope *scope, const struct muster_scope_counts *counts) {
    scope->live = counts->live;
    scope->online = counts->online;
    scope->away = counts->away;
    scope->busy = counts->busy;
    scope->sessions = counts->sessions;
    scope->joined_total = counts->joined_total;
    scope->left_total = counts->left_total;
}

void sample_set_counts(struct sample *sample, size_t first, const struct muster_counts *counts) {
    for (size_t i = 0; i < counts->count && first < sample->scope_count; i++, first++)
        set_counts(&sample->scopes[first], &counts->items[i]);
}

void sample_set_detail(struct sample *sample, const struct muster_scope_counts *counts,
                       const struct muster_users *users) {
    struct sample_detail *detail = &sample->detail;
    detail_clear(detail);
    detail->has = true;
    detail->scope =
        (struct sample_scope){.name = copy_text(counts->scope), .joins = RATE_UNKNOWN, .leaves = RATE_UNKNOWN};
    set_counts(&detail->scope, counts);
    for (size_t i = 0; i < counts->window_count && i < MUSTER_WINDOWS_MAX; i++)
        detail->windows[detail->window_count++] = counts->windows[i];
    const size_t count = users->count < SAMPLE_USERS_MAX ? users->count : SAMPLE_USERS_MAX;
    detail->users = memory_new(count * sizeof detail->users[0]);
    for (size_t i = 0; i < count; i++) {
        const struct muster_user *user = &users->items[i];
        detail->users[detail->user_count++] =
            (struct sample_user){copy_text(user->user), user->status, user->session_count, user->last_seen_ms};
    }
}

/* ---- order and rates ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sample_scope *)a)->name, ((const struct sample_scope *)b)->name);
}

static int rank_node(const struct sample_node *node) {
    return node->is_self ? 0 : node->state != MUSTER_NODE_ALIVE && node->state != MUSTER_NODE_LEFT ? 1 : 2;
}

static int by_trouble(const void *a, const void *b) {
    const struct sample_node *x = a, *y = b;
    const int difference = rank_node(x) - rank_node(y);
    return difference != 0 ? difference : strcmp(x->name, y->name);
}

/* Removes the second copy of a scope that was listed twice because it moved between two pages. */
static void drop_doubles(struct sample *sample) {
    size_t kept = 0;
    for (size_t i = 0; i < sample->scope_count; i++) {
        if (kept > 0 && strcmp(sample->scopes[kept - 1].name, sample->scopes[i].name) == 0)
            free(sample->scopes[i].name);
        else sample->scopes[kept++] = sample->scopes[i];
    }
    sample->scope_count = kept;
}

static const char *self_name(const struct sample *sample) {
    return sample->node_count > 0 && sample->nodes[0].is_self ? sample->nodes[0].name : "";
}

static void set_rates(struct sample_scope *scope, uint64_t joined_before, uint64_t left_before, uint64_t span_ms) {
    /* The totals restarted with the node, or with the scope. */
    if (scope->joined_total < joined_before || scope->left_total < left_before) return;
    scope->joins = (double)(scope->joined_total - joined_before) * 1000.0 / (double)span_ms;
    scope->leaves = (double)(scope->left_total - left_before) * 1000.0 / (double)span_ms;
}

/* A scope that is missing in `before`, which listed all scopes, is new: its totals fall into this interval. */
static void rate_since(struct sample_scope *scope, const struct sample *before, uint64_t span_ms) {
    const struct sample_scope *was = sample_find(before, scope->name);
    if (was != NULL) set_rates(scope, was->joined_total, was->left_total, span_ms);
    else if (!before->has_more_scopes) set_rates(scope, 0, 0, span_ms);
}

void sample_finish(struct sample *sample, const struct sample *before) {
    if (sample->scope_count > 0) qsort(sample->scopes, sample->scope_count, sizeof sample->scopes[0], by_name);
    if (sample->node_count > 0) qsort(sample->nodes, sample->node_count, sizeof sample->nodes[0], by_trouble);
    drop_doubles(sample);
    if (before == NULL || before->at_ms >= sample->at_ms || strcmp(self_name(sample), self_name(before)) != 0) return;
    const uint64_t span_ms = sample->at_ms - before->at_ms;
    for (size_t i = 0; i < sample->scope_count; i++) rate_since(&sample->scopes[i], before, span_ms);
    if (sample->detail.has) rate_since(&sample->detail.scope, before, span_ms);
}

const struct sample_scope *sample_find(const struct sample *sample, const char *name) {
    const struct sample_scope key = {.name = (char *)(uintptr_t)name};
    return sample->scope_count == 0
               ? NULL
               : bsearch(&key, sample->scopes, sample->scope_count, sizeof sample->scopes[0], by_name);
}

static double add_rates(double sum, double rate) {
    return rate < 0 ? sum : sum < 0 ? rate : sum + rate;
}

struct sample_scope sample_totals(const struct sample *sample) {
    struct sample_scope all = {.joins = RATE_UNKNOWN, .leaves = RATE_UNKNOWN};
    for (size_t i = 0; i < sample->scope_count; i++) {
        const struct sample_scope *scope = &sample->scopes[i];
        all.live += scope->live;
        all.sessions += scope->sessions;
        all.joins = add_rates(all.joins, scope->joins);
        all.leaves = add_rates(all.leaves, scope->leaves);
    }
    return all;
}
