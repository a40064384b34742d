#include "budget.h"

static void add_points(struct budget *budget, uint64_t points) {
    uint64_t room = (uint64_t)(BUDGET_POINTS_MAX - budget->points);
    budget->points += (int32_t)(points < room ? points : room);
}

void budget_open(struct budget *budget, uint64_t now_ms) {
    *budget = (struct budget){.points = BUDGET_POINTS_MAX, .leaked_ms = now_ms};
}

/* The time that is too short for a point counts on. */
static void leak_points(struct budget *budget, uint64_t now_ms) {
    uint64_t passed_ms = now_ms > budget->leaked_ms ? now_ms - budget->leaked_ms : 0;
    uint64_t points = passed_ms / 1000 * BUDGET_POINTS_PER_SECOND + passed_ms % 1000 * BUDGET_POINTS_PER_SECOND / 1000;
    if (points == 0) return;
    add_points(budget, points);
    budget->leaked_ms = now_ms;
}

bool budget_spend(struct budget *budget, uint32_t points, uint64_t now_ms) {
    leak_points(budget, now_ms);
    if (budget->points < 0) return false;
    int64_t left = (int64_t)budget->points - points;
    budget->points = left < 0 ? -1 : (int32_t)left;
    return left >= 0;
}

void budget_earn(struct budget *budget, uint32_t points) {
    if (budget->points >= 0) add_points(budget, points);
}
