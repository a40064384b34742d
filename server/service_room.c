#include "service_room.h"
#include "node/figures.h"
#include "sys/log.h"

static void note_refusal(struct service_room *room, const struct node_figures *figures, uint64_t now_ms) {
    if (!room->is_full) {
        room->refused_before = room->refused;
        log_line(LEVEL_WARN, "roll_full", "full of live users: new ones are refused, also those of peers",
                 {"live", NULL, figures->refused_live}, {"members", NULL, figures->members},
                 {"bytes", NULL, figures->bytes}, {"refused", NULL, figures->refused - room->refused});
    }
    room->is_full = true;
    room->refused = figures->refused;
    room->refused_ms = now_ms;
}

static void note_room(struct service_room *room, const struct node_figures *figures) {
    room->is_full = false;
    log_line(LEVEL_INFO, "roll_has_room", "live users have gone: new ones are taken again",
             {"live", NULL, figures->members_live}, {"members", NULL, figures->members},
             {"bytes", NULL, figures->bytes}, {"refused", NULL, figures->refused - room->refused_before});
}

void service_room_look(struct service_room *room, struct node *node, struct instant now) {
    struct node_figures figures;
    if (now.now_ms < room->next_ms) return;
    room->next_ms = now.now_ms + ROOM_LOOK_MS;
    node_figures(node, &figures);
    if (figures.refused > room->refused) {
        note_refusal(room, &figures, now.now_ms);
        return;
    }
    if (!room->is_full || now.now_ms - room->refused_ms < ROOM_QUIET_MS) return;
    if (figures.members_live + figures.refused_live / ROOM_SHARE < figures.refused_live) note_room(room, &figures);
}
