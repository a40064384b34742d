#include "visits.h"

#include "lines.h"
#include "memory.h"
#include "progress.h"
#include "unpack.h"
#include "user_names.h"

#include <stdlib.h>

enum { VISITS_FIRST = 4096, PROGRESS_EVERY_LINES = 4096, GUESS_LINES = 100 };

/* A log that is being read. */
struct log_reader {
    struct visits *visits;
    const struct visits_rule *rule;
    enum log_format format;
    struct json_line *json_line;
    struct unpack *unpack;
    struct lines *lines;
};

struct visits *visits_new(void) {
    struct visits *v = memory_new(sizeof *v);
    v->names = user_names_new();
    v->capacity = VISITS_FIRST;
    v->items = memory_grow(NULL, v->capacity, sizeof *v->items);
    return v;
}

void visits_free(struct visits *visits) {
    if (visits == NULL) return;
    free(visits->items);
    user_names_free(visits->names);
    free(visits);
}

static void add_visit(struct visits *v, int64_t unix_ms, struct text user) {
    if (v->count == v->capacity) {
        v->capacity *= 2;
        v->items = memory_grow(v->items, v->capacity, sizeof *v->items);
    }
    v->items[v->count] = (struct visit){unix_ms, user_names_number(v->names, user), (uint32_t)v->count};
    v->count++;
}

static bool add_line(struct log_reader *r, const struct line *line) {
    struct visits *v = r->visits;
    char buffer[ADDRESS_BYTES];
    struct access_line parsed;
    struct text user;
    enum skip skip = log_format_parse(r->format, r->json_line, line->text, &parsed);
    v->lines++;
    if (skip != SKIP_NONE && line->is_cut) skip = SKIP_CUT;
    if (skip == SKIP_NONE) {
        v->has_agents = v->has_agents || parsed.has_agent;
        skip = visitor_of(&r->rule->visitor, &parsed, buffer, &user);
    }
    if (skip != SKIP_NONE) {
        skip_count(v->tallies, skip, line->text, line->number);
        return true;
    }
    if (v->count == VISITS_MAX) return false;
    add_visit(v, parsed.unix_ms, user);
    return true;
}

/* Guesses the format from the first lines, and adds them. */
static bool add_first_lines(struct log_reader *r) {
    struct line lines[GUESS_LINES];
    struct text texts[GUESS_LINES];
    size_t count = 0;
    bool has_room = true;
    while (count < GUESS_LINES && lines_next(r->lines, &lines[count])) {
        const struct text text = lines[count].text;
        lines[count].text.data = memory_text(text.data, text.len);
        texts[count] = lines[count].text;
        count++;
    }
    const enum log_format guessed = log_format_guess(r->json_line, texts, count);
    r->format = guessed == FORMAT_AUTO ? FORMAT_COMBINED : guessed;
    if (count > 0) r->visits->has_format[guessed] = true;
    for (size_t i = 0; i < count; i++) {
        has_room = has_room && add_line(r, &lines[i]);
        free((void *)(uintptr_t)lines[i].text.data);
    }
    return has_room;
}

static bool add_lines(struct log_reader *r) {
    struct progress progress = progress_start("lines read", 0);
    struct line line;
    bool has_room = true;
    if (r->format == FORMAT_AUTO) has_room = add_first_lines(r);
    else r->visits->has_format[r->format] = true;
    while (has_room && lines_next(r->lines, &line)) {
        has_room = add_line(r, &line);
        if (line.number % PROGRESS_EVERY_LINES == 0) progress_show(&progress, line.number);
    }
    progress_end(&progress);
    return has_room;
}

static size_t read_unpacked(void *context, char *to, size_t room) {
    return unpack_read(context, to, room);
}

bool visits_read(struct visits *visits, const struct visits_rule *rule, FILE *in, struct error *error) {
    struct log_reader r = {visits, rule, rule->format, NULL, unpack_new(in), NULL};
    r.json_line = json_line_new(rule->visitor.user, rule->user_path, rule->time_path);
    r.lines = lines_new(read_unpacked, r.unpack);
    bool is_read = add_lines(&r);
    if (!is_read) (void)error_fail(error, MUSTER_RESOURCE_EXHAUSTED, "there are more than %d visits", (int)VISITS_MAX);
    if (is_read && unpack_error(r.unpack) != NULL)
        is_read = error_fail(error, MUSTER_INVALID_ARGUMENT, "%s", unpack_error(r.unpack));
    lines_free(r.lines);
    unpack_free(r.unpack);
    json_line_free(r.json_line);
    return is_read;
}

static int compare_visits(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    if (a->unix_ms != b->unix_ms) return a->unix_ms < b->unix_ms ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void visits_sort(struct visits *v) {
    size_t i = 1;
    while (i < v->count && v->items[i - 1].unix_ms <= v->items[i].unix_ms) i++;
    if (i < v->count) qsort(v->items, v->count, sizeof *v->items, compare_visits);
}

size_t visits_users(const struct visits *visits) {
    return user_names_count(visits->names);
}

struct text visits_user(const struct visits *visits, uint32_t user) {
    return user_names_text(visits->names, user);
}
