#include "rig.h"

#include "net/net_internal.h"
#include "sys/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { CONNECTIONS_MAX = 1000, SOCKET_BYTES = 4096, TURNS_AFTER_STEP = 3, CLOSING_TURNS = 4 };

static struct instant rig_clock;

static struct instant read_rig_clock(void) {
    return rig_clock;
}

void rig_open(struct rig *rig, const struct grpc_door_config *config) {
    const struct loops_config loops = {.threads = 1, .stall_ms = 1 << 30, .clock = read_rig_clock, .is_driven = true};
    struct grpc_door_config door = config != NULL ? *config : (struct grpc_door_config){.url = NULL};
    struct error error;
    *rig = (struct rig){.loops = NULL};
    rig_clock = (struct instant){1000000, 1000000};
    log_start(FORMAT_LOGFMT, LEVEL_ERROR, NULL);
    if ((rig->loops = loops_start(&loops)) == NULL) fail_msg("no loops");
    door.url = "tcp://127.0.0.1:0";
    door.connections_max = CONNECTIONS_MAX;
    door.services[0] = counting_echo_table(&rig->echo);
    door.service_count = 1;
    if ((rig->grpc_door = grpc_door_open(rig->loops, &door, &error)) == NULL) fail_msg("no door: %s", error.text);
    rig->door = grpc_door_door(rig->grpc_door);
}

void rig_close(struct rig *rig) {
    rig_turn(rig, CLOSING_TURNS);
    loops_stop(rig->loops);
    grpc_door_close(rig->grpc_door);
    if (rig_bytes(rig) != 0) fail_msg("%zu bytes of no connection are counted", rig_bytes(rig));
    loops_free(rig->loops);
    if (rig->echo.opened != rig->echo.closed)
        fail_msg("%u calls were opened, and %u closed", rig->echo.opened, rig->echo.closed);
}

static void turn_once(void *context) {
    rig_turn(context, 1);
}

/* As accept.c does, but for the listener. */
struct h2 *rig_connect(struct rig *rig) {
    int ends[2], small = SOCKET_BYTES;
    const struct remote remote = {.key = {.kind = REMOTE_LOCAL}, .name = "test"};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) fail_msg("no sockets");
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    atomic_fetch_add(&rig->door->connections, 1);
    if (stream_open(loops_at(rig->loops, 0), rig->door, ends[1], false, &remote) == NULL) fail_msg("no stream");
    return h2_of(ends[0], turn_once, rig);
}

struct h2 *rig_greet(struct rig *rig) {
    struct h2 *h2 = rig_connect(rig);
    h2_greet(h2);
    return h2;
}

void rig_turn(struct rig *rig, unsigned turns) {
    for (unsigned i = 0; i < turns; i++) loops_turn(rig->loops, 0);
}

void rig_pass(struct rig *rig, uint64_t ms, uint64_t step_ms) {
    while (ms > 0) {
        uint64_t step = ms < step_ms ? ms : step_ms;
        rig_clock.now_ms += step;
        rig_clock.wall_ms += step;
        ms -= step;
        rig_turn(rig, TURNS_AFTER_STEP);
    }
}

size_t rig_bytes(const struct rig *rig) {
    return atomic_load(&rig->loops->bytes);
}

size_t rig_connections(const struct rig *rig) {
    return atomic_load(&rig->door->connections);
}
