#include "status_set.h"

#include "values.h"

#include <string.h>
#include <strings.h>

const char *status_set_add(struct status_set *set, char *list) {
    for (char *one; (one = strsep(&list, ",")) != NULL;) {
        uint64_t from, count = 1;
        const bool is_class = strlen(one) == 3 && one[0] >= '1' && one[0] <= '9' && strcasecmp(one + 1, "xx") == 0;
        if (is_class) {
            from = (uint64_t)(one[0] - '0') * 100;
            count = 100;
        } else if (!value_number(one, 100, 999, &from)) {
            return one;
        }
        for (uint64_t i = 0; i < count; i++) set->has[from + i] = true;
    }
    return NULL;
}
