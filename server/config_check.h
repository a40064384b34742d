/* Which settings may stand beside each other. */
#ifndef MUSTER_CONFIG_CHECK_H
#define MUSTER_CONFIG_CHECK_H

#include "common/error.h"
#include "config.h"

/* False where strangers could use the node or join its cluster, or peers could not reach it; *error is a sentence. */
bool config_check(const struct config *config, struct error *error);

#endif
