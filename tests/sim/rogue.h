/* An attacker on the wire: hears frames and answers, keeps some, and sends them again, whole or broken, to whom and
 * when it likes. It does not have the key. */
#ifndef MUSTER_SIM_ROGUE_H
#define MUSTER_SIM_ROGUE_H

#include "event_queue.h"

#include <stdbool.h>

enum { ROGUE_KEEPS = 48 };

struct world;

struct heard {
    unsigned from;
    struct packet *packet;
};

struct rogue {
    struct heard frames[ROGUE_KEEPS], replies[ROGUE_KEEPS];
};

void rogue_clear(struct rogue *rogue);
void rogue_hear(struct world *world, unsigned from, struct packet *packet);
void rogue_hear_reply(struct world *world, unsigned from, struct packet *packet);
/* Answers an ask in the place of `to`. false: it lets the ask pass. */
bool rogue_answers(struct world *world, unsigned asker, unsigned to, uint64_t ticket);
/* Sends recorded frames to a node. */
void rogue_replay(struct world *world);
/* Sends what is no frame, or no longer one. */
void rogue_send_garbage(struct world *world);

#endif
