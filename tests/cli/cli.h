/* Runs `muster` and checks its result. */
#ifndef MUSTER_TESTS_CLI_CLI_H
#define MUSTER_TESTS_CLI_CLI_H

#include "support/process.h"

#include <jansson.h>

enum { CLI_ARGUMENTS_MAX = 48, CLI_PATIENCE_MS = 60000 };

/* Runs `muster` with these arguments, NULL at the end, and `input` (NULL: none) on its standard input. Fails the test
 * if it does not end. The caller frees the result. */
struct process_result cli_run(const char *input, const char *const arguments[]);
#define CLI(input, ...) cli_run(input, (const char *const[]){__VA_ARGS__, NULL})

/* Runs it and fails the test unless it exits with `status` and writes exactly `output`, and errors that contain `error`
 * ("": none at all). output: NULL: not checked. */
void cli_expect(int line, const char *input, int status, const char *output, const char *error,
                const char *const arguments[]);
#define EXPECT(status, output, error, ...)                                                                             \
    cli_expect(__LINE__, NULL, status, output, error, (const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_WITH(input, status, output, error, ...)                                                                 \
    cli_expect(__LINE__, input, status, output, error, (const char *const[]){__VA_ARGS__, NULL})

/* Runs it, expects status and no errors, and parses each line of the output as JSON. An array, for json_decref. */
json_t *cli_json(int line, int status, const char *const arguments[]);
#define JSON(status, ...) cli_json(__LINE__, status, (const char *const[]){__VA_ARGS__, NULL})

/* Fails the test unless the keys of `object` are exactly these, in this order, separated by blanks. */
void cli_expect_keys(int line, const json_t *object, const char *keys);
#define EXPECT_KEYS(object, keys) cli_expect_keys(__LINE__, object, keys)

#endif
