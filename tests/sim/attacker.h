/* An attacker on the wire: hears frames and answers, keeps some, and sends them again, whole or broken, to whom and
 * when it likes. It does not have the key. */
#ifndef MUSTER_SIM_ATTACKER_H
#define MUSTER_SIM_ATTACKER_H

#include "event_queue.h"

#include <stdbool.h>

enum { ATTACKER_KEEPS = 48 };

struct world;

struct heard {
    unsigned from;
    struct packet *packet;
};

struct attacker {
    struct heard frames[ATTACKER_KEEPS], replies[ATTACKER_KEEPS];
};

void attacker_clear(struct attacker *attacker);
void attacker_hear(struct world *world, unsigned from, struct packet *packet);
void attacker_hear_reply(struct world *world, unsigned from, struct packet *packet);
/* Answers an ask in the place of `to`. false: it lets the ask pass. */
bool attacker_responds(struct world *world, unsigned requester, unsigned to, uint64_t ticket);
/* Sends recorded frames to a node. */
void attacker_replay(struct world *world);
/* Sends what is no frame, or no longer one. */
void attacker_send_garbage(struct world *world);

#endif
