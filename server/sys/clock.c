#include "clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_us(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

struct instant clock_now(void) {
    return (struct instant){.now_ms = CLOCK_BASE_MS + read_us(CLOCK_BOOTTIME) / 1000,
                            .wall_ms = read_us(CLOCK_REALTIME) / 1000};
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The file has a UUID as text. */
void clock_boot(uint8_t boot[16]) {
    char text[64];
    memset(boot, 0, 16);
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t len = read(file, text, sizeof text);
    (void)close(file);
    size_t digits = 0;
    for (ssize_t i = 0; i < len && digits < 32; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) continue;
        boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | digit);
        digits++;
    }
}
