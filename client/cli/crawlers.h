/* Programs that read sites by themselves: crawlers of search engines and of others, fetchers of feeds and
 * link previews, monitors. One thread. */
#ifndef MUSTER_CLI_CRAWLERS_H
#define MUSTER_CLI_CRAWLERS_H

#include "common/text.h"

#include <stdbool.h>

/* Whether a user agent contains the name of a known crawler, or a product whose name ends in bot, crawler or spider, as
 * in `examplebot/1.0`. Upper and lower case are alike. A crawler that poses as a browser is not known. */
bool crawlers_know(struct text agent);

#endif
