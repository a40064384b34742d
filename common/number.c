#include "number.h"

bool number_take(const char **text, uint64_t *number) {
    const char *at = *text;
    uint64_t read = 0;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (read > (UINT64_MAX - digit) / 10) return false;
        read = read * 10 + digit;
    }
    if (at == *text) return false;
    *text = at;
    *number = read;
    return true;
}
