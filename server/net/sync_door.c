#include "sync_door.h"
#include "node/cluster.h"
#include "sys/clock.h"

#include <nng/nng.h>

struct reply {
    nng_msg *message;
    bool is_put;
};

static void put(void *context, const struct action *answer) {
    struct reply *reply = context;
    nng_msg_clear(reply->message);
    reply->is_put = nng_msg_append(reply->message, answer->bytes, answer->len) == 0;
}

static bool answer_sync(void *context, nng_msg *message) {
    struct node *node = context;
    struct reply reply = {.message = message};
    struct text request = {nng_msg_body(message), (uint32_t)nng_msg_len(message)};
    node_sync_request(node, request, clock_now(), put, &reply);
    return reply.is_put;
}

struct rep_door *sync_door_open(struct node *node, const char *url, end_unread_fn *end_unread, const char **why) {
    const char *failed_url;
    const struct rep_door_config config = {.answer_context = node,
                                           .urls = &url,
                                           .url_count = 1,
                                           .connections_max = SYNC_CONNECTIONS_MAX,
                                           .end_unread = end_unread,
                                           .answer = answer_sync,
                                           .receive_bytes_max = REPLICA_SYNC_BYTES_MAX};
    return rep_door_open(&config, &failed_url, why);
}
