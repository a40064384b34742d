/* Compiled with each build of the node: what that build changes for a watcher. */
#include "sim_watcher.h"

#ifdef WATCH_TEST_SMALL
const bool journals_are_short = true;
#else
const bool journals_are_short = false;
#endif
