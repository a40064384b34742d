/* A set of HTTP statuses, as `4xx,500` names them. */
#ifndef MUSTER_CLI_STATUS_SET_H
#define MUSTER_CLI_STATUS_SET_H

#include <stdbool.h>

struct status_set {
    bool has[1000];
};

/* Adds the items of a comma-separated list, each a status from 100 to 999 or a class such as 4xx. NULL, or the item
 * that is neither. list: split in place. */
const char *status_set_add(struct status_set *set, char *list);

#endif
