/* Errors: a code, a sentence, and what is cut. */
#include "common/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void errors_have_a_code_and_a_sentence(void **state) {
    (void)state;
    struct error error;
    errno = EINTR;
    if (error_fail(&error, MUSTER_UNAVAILABLE, "port %d is taken", 7)) fail_msg("an error is true");
    (void)error_prefix(&error, "--rpc %s", "tcp://x");
    if (error.code != MUSTER_UNAVAILABLE || strcmp(error.text, "--rpc tcp://x: port 7 is taken") != 0)
        fail_msg("code %d, '%s'", error.code, error.text);
    if (errno != EINTR) fail_msg("errno is not kept");
    (void)error_fail_errno(&error, ENOENT);
    if (error.code != MUSTER_INTERNAL || strstr(error.text, "No such file") == NULL) fail_msg("'%s'", error.text);
    (void)error_fail_memory(&error);
    if (error.code != MUSTER_RESOURCE_EXHAUSTED) fail_msg("code %d for memory", error.code);
}

static void long_errors_are_cut(void **state) {
    (void)state;
    struct error error;
    char long_text[2 * ERROR_TEXT_BYTES];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    (void)error_fail(&error, MUSTER_INTERNAL, "%s", long_text);
    if (strlen(error.text) != ERROR_TEXT_BYTES - 1) fail_msg("%zu bytes", strlen(error.text));
    (void)error_prefix(&error, "%s", long_text);
    if (strlen(error.text) != ERROR_TEXT_BYTES - 1 || strstr(error.text, "x: x") == NULL)
        fail_msg("%zu bytes: %s", strlen(error.text), error.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_a_code_and_a_sentence),
        cmocka_unit_test(long_errors_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
