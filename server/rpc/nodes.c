#include "calls.h"
#include "node/cluster.h"
#include "node/figures.h"
#include "node/node.h"

/* The rows of the response so far. */
struct listing {
    struct call *call;
    Muster__V1__Node *rows;
    Muster__V1__Node **list;
    size_t count;
    uint64_t refused; /* by this node */
    bool all_fit;
};

static Muster__V1__NodeState state_of(enum peer_state state) {
    static const Muster__V1__NodeState states[] = {
        [PEER_JOINING] = MUSTER__V1__NODE_STATE__NODE_STATE_JOINING,
        [PEER_ALIVE] = MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE,
        [PEER_SUSPECT] = MUSTER__V1__NODE_STATE__NODE_STATE_SUSPECT,
        [PEER_DOWN] = MUSTER__V1__NODE_STATE__NODE_STATE_DOWN,
        [PEER_LEFT] = MUSTER__V1__NODE_STATE__NODE_STATE_LEFT,
    };
    return states[state];
}

static bool keep_text(struct call *call, struct text text, ProtobufCBinaryData *field) {
    struct text copy;
    bool fits = arena_copy(call->arena, text, &copy);
    *field = field_of_text(copy);
    return fits;
}

static void take_node(void *context, const struct peer_view *view) {
    struct listing *listing = context;
    if (listing->count > REPLICA_PEERS_MAX) return;
    Muster__V1__Node *row = &listing->rows[listing->count];
    muster__v1__node__init(row);
    listing->all_fit &= keep_text(listing->call, view->name, &row->name) &&
                        keep_text(listing->call, view->region, &row->region) &&
                        keep_text(listing->call, view->address, &row->address) &&
                        keep_text(listing->call, view->version, &row->version) &&
                        keep_text(listing->call, view->trouble, &row->trouble);
    row->state = state_of(view->state);
    row->self = view->is_self;
    row->members = view->members;
    row->lag = view->lag;
    row->delay_ms = view->delay_ms;
    row->clock_ms = view->clock_ms;
    row->silent_ms = view->silent_ms;
    if (view->is_self) row->refused = listing->refused;
    listing->list[listing->count++] = row;
}

/* Moves the row of the answering node to the front. */
static void put_self_first(struct listing *listing) {
    for (size_t i = 1; i < listing->count; i++) {
        if (!listing->list[i]->self) continue;
        Muster__V1__Node *self = listing->list[i];
        listing->list[i] = listing->list[0];
        listing->list[0] = self;
    }
}

/* The row of a node without peers. */
static void take_alone(struct listing *listing, uint64_t members) {
    const struct peer_view self = {.name = listing->call->node->name,
                                   .version = listing->call->node->version,
                                   .state = PEER_ALIVE,
                                   .is_self = true,
                                   .members = members};
    take_node(listing, &self);
}

enum muster_code call_nodes(struct call *call, struct text body) {
    if (call_decode(call, &muster__v1__nodes_request__descriptor, body) == NULL) return MUSTER_INVALID_ARGUMENT;
    struct node_figures figures;
    node_figures(call->node, &figures);
    struct listing listing = {.call = call, .refused = figures.refused, .all_fit = true};
    Muster__V1__NodesResponse *response = arena_take(call->arena, 1, sizeof *response);
    listing.rows = arena_take(call->arena, REPLICA_PEERS_MAX + 1, sizeof *listing.rows);
    listing.list = arena_take(call->arena, REPLICA_PEERS_MAX + 1, sizeof(*listing.list));
    if (response == NULL || listing.rows == NULL || listing.list == NULL) return call_too_large(call, "nodes");
    if (node_peers(call->node, call->now, take_node, &listing) == 0) take_alone(&listing, figures.members);
    if (!listing.all_fit) return call_too_large(call, "nodes");
    put_self_first(&listing);
    muster__v1__nodes_response__init(response);
    response->n_nodes = listing.count;
    response->nodes = listing.list;
    return call_encode(call, &response->base, "reply");
}
