#include "history.h"

#include <assert.h>
#include <string.h>

enum {
    SECOND_BITS = 10, /* 1.024 s */
    MINUTE_BITS = 16, /* 65.536 s, so that an offset in it fits 16 bits */
    SECOND_MS = 1 << SECOND_BITS,
    SECONDS_A_MINUTE = 1 << (MINUTE_BITS - SECOND_BITS),
    SECOND_LIST_MAX = 256,  /* a list of 512 bytes against counters of 4 KiB */
    MINUTE_LIST_MAX = 1024, /* searching 2 KiB costs some 50 ns */
    LIST_MIN = 8,
    FRESH_MS = 8 * SECOND_MS, /* a power of two */
    FRESH_KEPT_MS = 2 * SECOND_MS,
};

/* A second or a minute. `data` is a list of offsets, `capacity` long, or, when there are too many, what `is_split`
 * says: of a minute its seconds (struct cell[]), of a second its counters (uint32_t[]). */
struct cell {
    uint32_t count;
    uint16_t capacity;
    bool is_split;
    void *data;
};

struct history {
    struct allocator allocator;
    uint64_t fresh_from_ms; /* a multiple of SECOND_MS; instants from here on are in `fresh` */
    uint64_t fresh_count;
    uint64_t first_minute; /* cells before it are dropped, and what was in them is no longer known */
    uint32_t minutes;      /* length of the two rings below, a power of two; minute m is at m % minutes */
    uint32_t *counts;      /* of each minute, side by side for summing */
    struct cell *cells;
    uint32_t fresh[FRESH_MS]; /* instant t is at t % FRESH_MS */
};

static uint32_t minute_slot(const struct history *history, uint64_t minute) {
    return (uint32_t)minute & (history->minutes - 1);
}

static void *cell_allocate(struct history *history, size_t bytes) {
    return history->allocator.allocate(history->allocator.context, bytes);
}

static void cell_release(struct history *history, void *data, size_t bytes) {
    history->allocator.release(history->allocator.context, data, bytes);
}

static size_t cell_data_bytes(const struct cell *cell, bool is_minute) {
    if (!cell->is_split) return cell->capacity * sizeof(uint16_t);
    return is_minute ? SECONDS_A_MINUTE * sizeof(struct cell) : SECOND_MS * sizeof(uint32_t);
}

static void cell_clear(struct history *history, struct cell *cell, bool is_minute) {
    if (is_minute && cell->is_split)
        for (int i = 0; i < SECONDS_A_MINUTE; i++) cell_clear(history, (struct cell *)cell->data + i, false);
    if (cell->data != NULL) cell_release(history, cell->data, cell_data_bytes(cell, is_minute));
    *cell = (struct cell){0};
}

static bool cell_add(struct history *history, struct cell *cell, bool is_minute, uint32_t offset, uint32_t times);

/* Turns a list that is full into seconds, or into counters. */
static bool cell_split(struct history *history, struct cell *cell, bool is_minute) {
    struct cell split = {.is_split = true};
    split.data = cell_allocate(history, cell_data_bytes(&split, is_minute));
    if (split.data == NULL) return false;
    const uint16_t *list = cell->data;
    for (uint32_t i = 0; i < cell->count; i++)
        if (!cell_add(history, &split, is_minute, list[i], 1)) {
            cell_clear(history, &split, is_minute);
            return false;
        }
    cell_clear(history, cell, is_minute);
    *cell = split;
    return true;
}

static bool cell_grow_list(struct history *history, struct cell *cell, uint32_t needed) {
    uint32_t capacity = cell->capacity < LIST_MIN ? LIST_MIN : cell->capacity;
    while (capacity < needed) capacity *= 2;
    if (capacity == cell->capacity) return true;
    uint16_t *list = cell_allocate(history, capacity * sizeof *list);
    if (list == NULL) return false;
    if (cell->count > 0) memcpy(list, cell->data, cell->count * sizeof *list);
    if (cell->data != NULL) cell_release(history, cell->data, cell->capacity * sizeof *list);
    cell->data = list;
    cell->capacity = (uint16_t)capacity;
    return true;
}

static bool cell_add(struct history *history, struct cell *cell, bool is_minute, uint32_t offset, uint32_t times) {
    uint32_t list_max = is_minute ? MINUTE_LIST_MAX : SECOND_LIST_MAX;
    if (!cell->is_split && times > list_max - cell->count && !cell_split(history, cell, is_minute)) return false;
    if (!cell->is_split) {
        if (!cell_grow_list(history, cell, cell->count + times)) return false;
        for (uint32_t i = 0; i < times; i++) ((uint16_t *)cell->data)[cell->count + i] = (uint16_t)offset;
    } else if (is_minute) {
        struct cell *second = (struct cell *)cell->data + (offset >> SECOND_BITS);
        if (!cell_add(history, second, false, offset & (SECOND_MS - 1), times)) return false;
    } else {
        ((uint32_t *)cell->data)[offset] += times;
    }
    cell->count += times;
    return true;
}

static void cell_remove(struct history *history, struct cell *cell, bool is_minute, uint32_t offset) {
    assert(cell->count > 0);
    if (cell->count == 1) {
        cell_clear(history, cell, is_minute);
        return;
    }
    cell->count--;
    if (!cell->is_split) {
        uint16_t *list = cell->data;
        uint32_t i = 0;
        while (i < cell->count && list[i] != offset) i++;
        assert(list[i] == offset);
        list[i] = list[cell->count];
    } else if (is_minute) {
        cell_remove(history, (struct cell *)cell->data + (offset >> SECOND_BITS), false, offset & (SECOND_MS - 1));
    } else {
        ((uint32_t *)cell->data)[offset]--;
    }
}

/* In 32 bits, which four lanes of a vector add at once: there are fewer users than that. */
static uint32_t sum_counters(const uint32_t *counters, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += counters[i];
    return sum;
}

static uint64_t cell_count_from(const struct cell *cell, bool is_minute, uint32_t offset) {
    uint64_t count = 0;
    if (cell->count == 0) return 0;
    if (!cell->is_split) {
        const uint16_t *list = cell->data;
        for (uint32_t i = 0; i < cell->count; i++) count += list[i] >= offset;
    } else if (is_minute) {
        const struct cell *seconds = cell->data;
        uint32_t first = offset >> SECOND_BITS;
        count = cell_count_from(&seconds[first], false, offset & (SECOND_MS - 1));
        for (uint32_t i = first + 1; i < SECONDS_A_MINUTE; i++) count += seconds[i].count;
    } else {
        count = sum_counters((const uint32_t *)cell->data + offset, SECOND_MS - offset);
    }
    return count;
}

struct history *history_new(uint64_t span_ms, uint64_t now_ms, const struct allocator *allocator) {
    struct history *history = allocator->allocate(allocator->context, sizeof *history);
    if (history == NULL) return NULL;
    history->allocator = *allocator;
    for (history->minutes = 4; history->minutes < (span_ms >> MINUTE_BITS) + 3;) history->minutes *= 2;
    history->counts = cell_allocate(history, history->minutes * sizeof *history->counts);
    history->cells = cell_allocate(history, history->minutes * sizeof *history->cells);
    if (history->counts == NULL || history->cells == NULL) {
        history_free(history);
        return NULL;
    }
    history->fresh_from_ms = now_ms > FRESH_KEPT_MS ? (now_ms - FRESH_KEPT_MS) >> SECOND_BITS << SECOND_BITS : 0;
    uint64_t minute = now_ms >> MINUTE_BITS;
    history->first_minute = minute > history->minutes - 2 ? minute - (history->minutes - 2) : 0;
    return history;
}

void history_free(struct history *history) {
    if (history == NULL) return;
    if (history->counts != NULL && history->cells != NULL)
        for (uint32_t i = 0; i < history->minutes; i++) cell_clear(history, &history->cells[i], true);
    if (history->cells != NULL) cell_release(history, history->cells, history->minutes * sizeof *history->cells);
    if (history->counts != NULL) cell_release(history, history->counts, history->minutes * sizeof *history->counts);
    struct allocator allocator = history->allocator;
    allocator.release(allocator.context, history, sizeof *history);
}

static bool add_to_cells(struct history *history, uint64_t at_ms, uint32_t times) {
    uint64_t minute = at_ms >> MINUTE_BITS;
    if (minute < history->first_minute) return true;
    uint32_t i = minute_slot(history, minute);
    if (!cell_add(history, &history->cells[i], true, at_ms & ((1 << MINUTE_BITS) - 1), times)) return false;
    history->counts[i] += times;
    return true;
}

/* Drops the minutes that the ring needs for those up to `last`. */
static void drop_minutes(struct history *history, uint64_t last) {
    uint64_t first = last >= history->minutes - 1 ? last - (history->minutes - 1) : 0;
    if (first <= history->first_minute) return;
    uint64_t drop = first - history->first_minute;
    if (drop > history->minutes) drop = history->minutes;
    for (uint64_t minute = history->first_minute; drop > 0; minute++, drop--) {
        uint32_t i = minute_slot(history, minute);
        cell_clear(history, &history->cells[i], true);
        history->counts[i] = 0;
    }
    history->first_minute = first;
}

/* Moves one second from the counters to its cell. */
static bool history_compact_second(struct history *history) {
    uint64_t from = history->fresh_from_ms;
    for (uint64_t t = from; t < from + SECOND_MS; t++) {
        uint32_t *counter = &history->fresh[t % FRESH_MS];
        if (*counter == 0) continue;
        if (!add_to_cells(history, t, *counter)) return false;
        history->fresh_count -= *counter;
        *counter = 0;
    }
    history->fresh_from_ms = from + SECOND_MS;
    return true;
}

bool history_compact(struct history *history, uint64_t now_ms) {
    /* A minute more than now: instants of the seconds to come are already counted before the next call. */
    drop_minutes(history, (now_ms >> MINUTE_BITS) + 1);
    while (history->fresh_from_ms + SECOND_MS + FRESH_KEPT_MS <= now_ms) {
        if (history->fresh_count == 0) {
            history->fresh_from_ms = (now_ms - FRESH_KEPT_MS) >> SECOND_BITS << SECOND_BITS;
            break;
        }
        if (!history_compact_second(history)) return false;
    }
    return true;
}

bool history_add_times(struct history *history, uint64_t at_ms, uint32_t times) {
    if (at_ms >= history->fresh_from_ms + FRESH_MS && !history_compact(history, at_ms)) return false;
    if (at_ms < history->fresh_from_ms) return add_to_cells(history, at_ms, times);
    history->fresh[at_ms % FRESH_MS] += times;
    history->fresh_count += times;
    return true;
}

void history_remove(struct history *history, uint64_t at_ms) {
    if (at_ms >= history->fresh_from_ms) {
        assert(history->fresh[at_ms % FRESH_MS] > 0);
        history->fresh[at_ms % FRESH_MS]--;
        history->fresh_count--;
        return;
    }
    uint64_t minute = at_ms >> MINUTE_BITS;
    if (minute < history->first_minute) return;
    uint32_t i = minute_slot(history, minute);
    cell_remove(history, &history->cells[i], true, at_ms & ((1 << MINUTE_BITS) - 1));
    history->counts[i]--;
}

static uint64_t count_fresh(const struct history *history, uint64_t from_ms) {
    if (from_ms <= history->fresh_from_ms) return history->fresh_count;
    uint64_t end_ms = history->fresh_from_ms + FRESH_MS;
    if (from_ms >= end_ms) return 0;
    uint32_t first = (uint32_t)(from_ms % FRESH_MS), count = (uint32_t)(end_ms - from_ms);
    uint32_t before_wrap = count < FRESH_MS - first ? count : FRESH_MS - first;
    return (uint64_t)sum_counters(history->fresh + first, before_wrap) +
           sum_counters(history->fresh, count - before_wrap);
}

uint64_t history_count(const struct history *history, uint64_t from_ms) {
    uint64_t count = count_fresh(history, from_ms);
    if (from_ms >= history->fresh_from_ms) return count;
    uint64_t minute = from_ms >> MINUTE_BITS, last = history->fresh_from_ms >> MINUTE_BITS;
    if (minute >= history->first_minute)
        count +=
            cell_count_from(&history->cells[minute_slot(history, minute)], true, from_ms & ((1 << MINUTE_BITS) - 1));
    else minute = history->first_minute - 1;
    uint32_t i = minute_slot(history, minute + 1);
    for (uint64_t m = minute + 1; m <= last; m++) {
        count += history->counts[i];
        if (++i == history->minutes) i = 0;
    }
    return count;
}
