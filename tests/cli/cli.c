#include "cli.h"

#include "test.h"

struct process_result cli_run(const char *input, const char *const arguments[]) {
    const char *argv[CLI_ARGUMENTS_MAX + 2] = {MUSTER_PATH};
    for (size_t i = 0; i < CLI_ARGUMENTS_MAX && arguments[i] != NULL; i++) argv[i + 1] = arguments[i];
    struct process_result result = process_run(argv, NULL, input, CLI_PATIENCE_MS);
    if (result.timed_out || result.how.is_signal)
        fail_msg("muster %s: %s %d: %s", arguments[0], result.timed_out ? "no end" : "signal", result.how.status,
                 result.errors);
    return result;
}

void cli_expect(int line, const char *input, int status, const char *output, const char *error,
                const char *const arguments[]) {
    struct process_result result = cli_run(input, arguments);
    const bool is_as_said = *error == '\0' ? result.errors_len == 0 : strstr(result.errors, error) != NULL;
    if (result.how.status != status || !is_as_said || (output != NULL && strcmp(result.output, output) != 0))
        fail_msg("line %d: muster %s: status %d instead of %d\n  output: %s\n  wanted: %s\n  errors: %s\n  wanted: %s",
                 line, arguments[0], result.how.status, status, result.output, output == NULL ? "anything" : output,
                 result.errors, error);
    process_result_free(&result);
}

json_t *cli_json(int line, int status, const char *const arguments[]) {
    struct process_result result = cli_run(NULL, arguments);
    if (result.how.status != status || result.errors_len != 0)
        fail_msg("line %d: muster %s: status %d: %s", line, arguments[0], result.how.status, result.errors);
    json_t *rows = json_array();
    for (char *rest = result.output, *text; (text = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        json_error_t error;
        json_t *row = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (row == NULL) fail_msg("line %d: muster %s: %s: %s", line, arguments[0], error.text, text);
        char *again = json_dumps(row, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (strchr(text, ' ') == NULL && strchr(text, '.') == NULL && strcmp(again, text) != 0)
            fail_msg("line %d: not compact: %s", line, text);
        free(again);
        json_array_append_new(rows, row);
    }
    process_result_free(&result);
    return rows;
}

void cli_expect_keys(int line, const json_t *object, const char *keys) {
    char got[512] = "";
    const char *key;
    json_t *value;
    /* jansson's macro takes a non-const object. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (*got != '\0') (void)strncat(got, " ", sizeof got - strlen(got) - 1);
        (void)strncat(got, key, sizeof got - strlen(got) - 1);
    }
    if (strcmp(got, keys) != 0) fail_msg("line %d: keys '%s' instead of '%s'", line, got, keys);
}
