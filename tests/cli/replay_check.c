#include "replay_check.h"

#include "cli.h"
#include "test.h"

/* Replaces the keys of `windows`, in their order, by those of `windows_s`. */
static void rename_windows(json_t *row, const char *windows_s) {
    json_t *windows = json_object_get(row, "windows"), *renamed = json_object(), *value;
    const char *key;
    if (windows == NULL) {
        json_decref(renamed);
        return;
    }
    char *names = strdup(windows_s), *rest = names;
    json_object_foreach(windows, key, value) json_object_set(renamed, strsep(&rest, ","), value);
    free(names);
    json_object_set_new(row, "windows", renamed);
}

/* What only muster's summary has. */
static void drop_format(json_t *row) {
    (void)json_object_del(row, "format");
    (void)json_object_del(row, "guessed");
    (void)json_object_del(row, "reasons");
}

static void compare_rows(const char *log, const struct replay_spans *spans, json_t *ours, char *theirs) {
    size_t i = 0;
    for (char *rest = theirs, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL; i++) {
        json_t *row = json_array_get(ours, i);
        if (row == NULL) fail_msg("%s: --every %s: only %zu lines; the next should be %s", log, spans->every, i, line);
        rename_windows(row, spans->windows_s);
        drop_format(row);
        char *text = json_dumps(row, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (strcmp(text, line) != 0)
            fail_msg("%s: --every %s, line %zu:\n  %s\ninstead of\n  %s", log, spans->every, i + 1, text, line);
        free(text);
    }
    if (i != json_array_size(ours))
        fail_msg("%s: --every %s: %zu lines instead of %zu", log, spans->every, json_array_size(ours), i);
}

static void add_all(const char **argv, size_t *count, const char *const *more) {
    for (; *more != NULL; more++) {
        assert_true(*count + 1 < CLI_ARGUMENTS_MAX);
        argv[(*count)++] = *more;
    }
}

void replay_check(const char *log, const struct replay_spans *spans, const char *const *theirs,
                  const char *const *ours) {
    const char *script[CLI_ARGUMENTS_MAX] = {PYTHON_PATH, FIGURES_PATH,     log,     "--every",   spans->every_s,
                                             "--windows", spans->windows_s, "--ttl", spans->ttl_s};
    const char *muster[CLI_ARGUMENTS_MAX] = {"replay",       log,     "--json",  "--every", spans->every, "--window",
                                             spans->windows, "--ttl", spans->ttl};
    size_t script_count = 9, muster_count = 9;
    add_all(script, &script_count, theirs);
    add_all(muster, &muster_count, ours);
    struct process_result figures = process_run(script, NULL, NULL, CLI_PATIENCE_MS * 2);
    if (figures.how.status != 0) fail_msg("the figures' script failed: %s", figures.errors);
    json_t *rows = cli_json(__LINE__, 0, muster);
    compare_rows(log, spans, rows, figures.output);
    json_decref(rows);
    process_result_free(&figures);
}
