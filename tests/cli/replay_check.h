/* `muster replay` held against figures that tests/cli/replay_figures.py computes by another path. */
#ifndef MUSTER_TESTS_CLI_REPLAY_CHECK_H
#define MUSTER_TESTS_CLI_REPLAY_CHECK_H

/* The script names windows by seconds; `muster` takes the same durations with units. */
struct replay_spans {
    const char *every_s, *windows_s, *ttl_s; /* for the script */
    const char *every, *windows, *ttl;       /* for muster */
};

/* Runs both and fails the test unless all rows, and the counts and times of the summary, agree. theirs, ours: more
 * arguments of the script and of muster, NULL at the end. */
void replay_check(const char *log, const struct replay_spans *spans, const char *const *theirs,
                  const char *const *ours);

#endif
