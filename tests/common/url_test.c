/* Addresses to listen on. */
#include "common/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

static void urls(void **state) {
    (void)state;
    static const struct {
        const char *url;
        enum url_reach reach;
    } cases[] = {
        {"tcp://127.0.0.1:7700", REACH_LOOPBACK},
        {"tcp://127.9.9.9:0", REACH_LOOPBACK},
        {"tcp://localhost:1", REACH_LOOPBACK},
        {"tcp://[::1]:65535", REACH_LOOPBACK},
        {"ipc:///x", REACH_LOOPBACK},
        {"tls+tcp://127.0.0.1:7700", REACH_LOOPBACK},
        {"tls+tcp://localhost:1", REACH_LOOPBACK},
        {"tls+tcp://0.0.0.0:1", REACH_BEYOND},
        {"tcp://0.0.0.0:1", REACH_BEYOND},
        {"tcp://*:1", REACH_BEYOND},
        {"tcp://:1", REACH_BEYOND},
        {"tcp://[::]:1", REACH_BEYOND},
        {"tcp://10.0.0.1:1", REACH_BEYOND},
        {"tcp://[2001:db8::1]:1", REACH_BEYOND},
        {"tcp://127.0.0.1.example.org:1", REACH_BEYOND},
        {"tcp://localhost.example.org:1", REACH_BEYOND},
        {"tcp://[::ffff:10.0.0.1]:1", REACH_BEYOND},
        {"", REACH_NONE},
        {"tcp://", REACH_NONE},
        {"tcp://127.0.0.1", REACH_NONE},
        {"tcp://127.0.0.1:", REACH_NONE},
        {"tcp://127.0.0.1:x", REACH_NONE},
        {"tcp://127.0.0.1:65536", REACH_NONE},
        {"tcp://127.0.0.1:000001", REACH_NONE},
        {"tcp://127.0.0.1:1/path", REACH_NONE},
        {"tcp://a;b:1", REACH_NONE},
        {"tcp://::1:1", REACH_NONE},
        {"http://127.0.0.1:1", REACH_NONE},
        {"ipc://", REACH_NONE},
        {"tls+tcp://127.0.0.1", REACH_NONE},
        {"tls://127.0.0.1:1", REACH_NONE},
        {"tls+ipc:///x", REACH_NONE},
        {"TCP://127.0.0.1:1", REACH_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error;
        enum url_reach reach = url_reach(cases[i].url, &error);
        if (reach != cases[i].reach) fail_msg("%s is %d", cases[i].url, reach);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
