/* What a replay read: the last line of its output in JSON, a paragraph for people. */
#ifndef MUSTER_CLI_REPLAY_SUMMARY_H
#define MUSTER_CLI_REPLAY_SUMMARY_H

#include "replay.h"

/* Prints it to standard output. visits: sorted. */
void replay_summary_print(const struct replay_plan *plan, const struct visits *visits);

#endif
