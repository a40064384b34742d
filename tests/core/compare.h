/* Every answer of the roll against the model's. Each fails the test at a difference. */
#ifndef MUSTER_TESTS_COMPARE_H
#define MUSTER_TESTS_COMPARE_H

#include "trial.h"

void compare_live(struct trial *trial, uint32_t scope, uint32_t first_user, uint32_t count);
void compare_sessions(struct trial *trial, uint32_t scope, uint32_t user);
/* One page, against all that the model has in its range; where the scope is large, without looking for what is missing.
 * Returns it. */
struct page compare_page(struct trial *trial, uint32_t scope, unsigned statuses, const uint64_t *after, size_t limit);
/* A whole walk without changes. */
void compare_list(struct trial *trial, uint32_t scope, unsigned statuses, size_t limit);
void compare_recent(struct trial *trial, uint32_t scope, unsigned statuses, size_t k, size_t budget);
void compare_counts(struct trial *trial, uint32_t scope);
void compare_scopes(struct trial *trial, size_t limit);
void compare_where(struct trial *trial, size_t limit, size_t budget);
void compare_stats(struct trial *trial);
/* The change log after sequence `after`, read `limit` changes at a time. */
void compare_changes(struct trial *trial, uint64_t after, size_t limit);
/* A name or a scope that nobody touched is nowhere. */
void compare_unknown(struct trial *trial);
void compare_everything(struct trial *trial);

/* Whether a view is what the model says of the user; prints both where it is not. */
bool compare_view(struct trial *trial, uint32_t scope, uint32_t user, const struct user_view *view);

#endif
