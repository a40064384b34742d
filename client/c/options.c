#include "options.h"

#include "client_error.h"

#include <string.h>

enum muster_code options_copy(void *ours, size_t our_size, const void *theirs, size_t their_size,
                              struct muster_error *error) {
    memset(ours, 0, our_size);
    if (theirs == NULL) return MUSTER_OK;
    memcpy(ours, theirs, their_size < our_size ? their_size : our_size);
    const unsigned char *bytes = theirs;
    for (size_t i = our_size; i < their_size; i++) {
        if (bytes[i] != 0)
            return client_error_set(error, MUSTER_INVALID_ARGUMENT,
                                    "options: a field is set that version %s of the library does not know",
                                    muster_version());
    }
    return MUSTER_OK;
}

/* ---- layouts -------------------------------------------------------------------------------------------------------
 * Programs that are compiled stay as they are. An assertion that fails here says that a change of muster.h breaks them:
 * options grow behind their last field alone, and a new field does not begin in their padding; nothing else grows. The
 * numbers hold where pointers have 8 bytes. */

#if UINTPTR_MAX == UINT64_MAX
#define GROWS_BEHIND(type, last, offset, size)                                                                         \
    _Static_assert(offsetof(struct type, last) == (offset) && sizeof(struct type) >= (size),                           \
                   #type " grows behind its fields of version 0.1")
#define STAYS(type, size) _Static_assert(sizeof(struct type) == (size), #type " keeps its size")

GROWS_BEHIND(muster_options, in_flight_max, 36, 40);
GROWS_BEHIND(muster_query, with_sessions, 28, 32);
GROWS_BEHIND(muster_where_query, with_sessions, 40, 48);
GROWS_BEHIND(muster_keepalive_options, arg, 16, 24);
GROWS_BEHIND(muster_watch_options, arg, 88, 96);
GROWS_BEHIND(muster_mirror_options, arg, 72, 80);

STAYS(muster_error, 264);
STAYS(muster_beat, 48);
STAYS(muster_touched, 24);
STAYS(muster_refreshed, 24);
STAYS(muster_departure, 32);
STAYS(muster_left, 16);
STAYS(muster_status_set, 8);
STAYS(muster_forgotten, 16);
STAYS(muster_session, 40);
STAYS(muster_user, 40);
STAYS(muster_users, 24);
STAYS(muster_window, 24);
STAYS(muster_scope_counts, 80);
STAYS(muster_counts, 16);
STAYS(muster_scope, 16);
STAYS(muster_scopes, 24);
STAYS(muster_node, 96);
STAYS(muster_place, 40);
STAYS(muster_places, 24);
STAYS(muster_nodes, 16);
STAYS(muster_keepalive_trouble, 304);
STAYS(muster_watch_callbacks, 48);
#endif
