#include "visits.h"

#include "clf.h"
#include "common/utf8.h"
#include "lines.h"
#include "memory.h"
#include "muster/limits.h"
#include "progress.h"
#include "user_names.h"

#include <errno.h>
#include <stdlib.h>

enum { VISITS_FIRST = 4096, PROGRESS_EVERY_LINES = 4096 };

static bool is_id(struct text name) {
    return name.len >= 1 && name.len <= MUSTER_ID_BYTES_MAX && memchr(name.data, '\0', name.len) == NULL &&
           utf8_valid(name.data, name.len);
}

static bool add_visit(struct visits *v, size_t *capacity, int64_t unix_s, struct text user) {
    if (v->count == UINT32_MAX) return false;
    if (v->count == *capacity) {
        *capacity *= 2;
        v->items = memory_grow(v->items, *capacity, sizeof *v->items);
    }
    v->items[v->count] = (struct visit){unix_s, user_names_number(v->names, user), (uint32_t)v->count};
    v->count++;
    return true;
}

static bool add_line(struct visits *v, size_t *capacity, const struct line *line, enum visits_who who) {
    struct clf_line parsed;
    v->lines++;
    const bool is_parsed = clf_parse(line->text, &parsed);
    const struct text user = who == VISITS_HOST ? parsed.host : parsed.user;
    if (is_parsed && user.len == 0) {
        v->nameless++;
    } else if (is_parsed && is_id(user)) {
        return add_visit(v, capacity, parsed.unix_s, user);
    } else {
        if (v->malformed++ == 0) v->first_malformed = line->number;
    }
    return true;
}

static int compare_visits(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    if (a->unix_s != b->unix_s) return a->unix_s < b->unix_s ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

bool visits_read(FILE *in, enum visits_who who, struct visits *out) {
    size_t capacity = VISITS_FIRST;
    struct visits v = {.names = user_names_new(), .items = memory_grow(NULL, capacity, sizeof *v.items)};
    struct lines *lines = lines_new(in);
    struct progress progress = progress_start("lines read", 0);
    struct line line;
    bool has_room = true;
    errno = 0;
    while (has_room && lines_next(lines, &line)) {
        has_room = add_line(&v, &capacity, &line, who);
        if (line.number % PROGRESS_EVERY_LINES == 0) progress_show(&progress, line.number);
    }
    const int why = has_room ? errno : EFBIG;
    progress_end(&progress);
    lines_free(lines);
    *out = (struct visits){0};
    if (!has_room || ferror(in)) {
        visits_free(&v);
        errno = why;
        return false;
    }
    qsort(v.items, v.count, sizeof *v.items, compare_visits);
    v.users = user_names_count(v.names);
    *out = v;
    return true;
}

void visits_free(struct visits *visits) {
    free(visits->items);
    user_names_free(visits->names);
    *visits = (struct visits){0};
}

struct text visits_user(const struct visits *visits, uint32_t user) {
    return user_names_text(visits->names, user);
}
