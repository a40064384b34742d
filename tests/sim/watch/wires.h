/* The network between the nodes. A stream carries the frames of a publisher to a subscriber, in order; a cut either
 * holds back what is sent meanwhile, as far as a queue goes, or breaks the stream. Asks are requests with an answer,
 * each on its own way. */
#ifndef MUSTER_SIM_WIRES_H
#define MUSTER_SIM_WIRES_H

#include "common/text.h"
#include "event_queue.h"
#include "script.h"

struct stage;

struct wire {
    bool is_wanted;
    uint64_t connection; /* a frame of an earlier one is lost */
    uint64_t opens_ms;
    uint64_t last_arrival_ms; /* no frame arrives before an earlier one */
    uint64_t cut_until_ms;    /* asks of the publisher do not come through either */
    uint64_t slow_until_ms, slow_ms;
    unsigned held;
    bool is_broken; /* by the cut */
};

struct wires {
    struct wire to[HOSTS_MAX][HOSTS_MAX]; /* [subscriber][publisher] */
};

void wires_subscribe(struct stage *stage, unsigned to, unsigned from, bool is_wanted);
void wires_publish(struct stage *stage, unsigned from, const uint8_t *bytes, size_t len);
/* Whether a frame still comes through. */
bool wires_is_current(const struct stage *stage, const struct event *frame);
void wires_ask(struct stage *stage, unsigned from, unsigned to, uint64_t ticket, const uint8_t *bytes, size_t len);
/* The answer to a request that came. */
void wires_reply(struct stage *stage, const struct event *request, const uint8_t *bytes, size_t len);
void wires_host_ended(struct stage *stage, unsigned host);
void wires_host_started(struct stage *stage, unsigned host);
/* No bytes from `from` to `to`. */
void wires_cut(struct stage *stage, unsigned from, unsigned to, uint64_t until_ms);
void wires_slow(struct stage *stage, unsigned from, unsigned to, uint64_t by_ms, uint64_t until_ms);
void wires_heal(struct stage *stage);

#endif
