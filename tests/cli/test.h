/* What cmocka needs before it, and it. */
#ifndef MUSTER_TESTS_CLI_TEST_H
#define MUSTER_TESTS_CLI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

#endif
