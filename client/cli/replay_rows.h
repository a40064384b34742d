/* The rows that a replay prints, as a table or as JSON, and their chart. Two or more rows in a row whose figures are
 * all 0 are printed as one. One thread. */
#ifndef MUSTER_CLI_REPLAY_ROWS_H
#define MUSTER_CLI_REPLAY_ROWS_H

#include "replay.h"

struct replay_rows;

/* plan: outlives the rows. Rows lie between from_ms and to_ms. is_exact: rows of zeros are collapsed; false: each is
 * printed at once. Ends the program if memory is short. */
struct replay_rows *replay_rows_new(const struct replay_plan *plan, int64_t from_ms, int64_t to_ms, bool is_exact);

/* The next row. Times increase by every_ms; only the last row may be closer. */
void replay_rows_add(struct replay_rows *rows, int64_t unix_ms, const struct replay_row *row);

/* `count` rows of zeros, the first one at unix_ms; only of exact rows. */
void replay_rows_add_zeros(struct replay_rows *rows, int64_t unix_ms, uint64_t count);

/* Prints what is buffered, writes the chart, and frees. status: of the replay; if it failed there is no chart. Returns
 * `status`, or prints a message and returns STATUS_FAILED. */
int replay_rows_finish(struct replay_rows *rows, int status);

#endif
