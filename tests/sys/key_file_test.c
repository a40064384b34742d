/* Which files are taken for secrets. */
#include "support/tempdir.h"
#include "sys/key_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { CAPACITY = 64 };

static char text[CAPACITY];
static struct error error;
static size_t len;

static struct tempdir key_of(const struct tempdir *dir, size_t bytes, mode_t mode) {
    char data[2 * CAPACITY];
    memset(data, 'k', sizeof data);
    struct tempdir key = tempdir_write(dir, "key", data, bytes);
    if (chmod(key.path, mode) != 0) fail_msg("no chmod");
    return key;
}

static void expect_refusal(const char *path, const char *says) {
    memset(text, 'x', sizeof text);
    if (key_file_read(path, text, CAPACITY, &len, &error)) fail_msg("%s is taken", path);
    if (len != 0 || strstr(error.text, says) == NULL)
        fail_msg("%s: %zu bytes, '%s'; expected '%s'", path, len, error.text, says);
    if (memchr(text, 'k', sizeof text) != NULL) fail_msg("%s was refused, and is in memory", path);
}

static void a_file_of_ones_own_is_read(void **state) {
    (void)state;
    static const mode_t modes[] = {0600, 0400, 0700};
    struct tempdir dir = tempdir_make();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct tempdir key = key_of(&dir, CAPACITY, modes[i]);
        if (!key_file_read(key.path, text, CAPACITY, &len, &error) || len != CAPACITY || text[63] != 'k')
            fail_msg("mode %04o: %s", (unsigned)modes[i], error.text);
        unlink(key.path);
    }
    tempdir_remove(&dir);
}

static void a_file_that_others_can_get_at_is_refused(void **state) {
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0666};
    struct tempdir dir = tempdir_make();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        expect_refusal(key_of(&dir, 10, modes[i]).path, "chmod 600");
    tempdir_remove(&dir);
}

static void what_is_no_small_file_is_refused(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make(), pipe_path = tempdir_path(&dir, "pipe");
    expect_refusal(key_of(&dir, CAPACITY + 1, 0600).path, "larger than 64 bytes");
    expect_refusal(dir.path, "no regular file");
    expect_refusal("/dev/zero", "no regular file");
    expect_refusal("/nonexistent/key", "No such file");
    if (mkfifo(pipe_path.path, 0600) != 0) fail_msg("no pipe");
    expect_refusal(pipe_path.path, "no regular file");
    tempdir_remove(&dir);
}

static void a_file_of_somebody_else_is_refused(void **state) {
    (void)state;
    if (geteuid() != 0) skip(); /* only root can give files away */
    struct tempdir dir = tempdir_make(), key = key_of(&dir, 10, 0600);
    if (chown(key.path, 12345, (gid_t)-1) != 0) fail_msg("no chown");
    expect_refusal(key.path, "another user");
    tempdir_remove(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_ones_own_is_read),
        cmocka_unit_test(a_file_that_others_can_get_at_is_refused),
        cmocka_unit_test(what_is_no_small_file_is_refused),
        cmocka_unit_test(a_file_of_somebody_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
