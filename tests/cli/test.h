/* cmocka, with the headers that it needs before it. */
#ifndef MUSTER_TESTS_CLI_TEST_H
#define MUSTER_TESTS_CLI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it needs. */
#include <cmocka.h>

#endif
