/* Health: calls that come, are read and end in any order while the node changes between serving and not. Each byte is a
 * step: the low four bits say which, the others with which call. */
#include "fuzz.h"
#include "net/grpc/services/health_service.h"
#include "tests/net/grpc/fake_call.h"

enum { CALLS = 16, LOOPS = 2, METHOD_WATCH = 2, UNSENT_MAX = 2 * (2 + 5), STATUS_SERVING = 1, STATUS_UNKNOWN = 3 };

static const char *const names[] = {"a", NULL};
static bool is_serving;

static bool tell_serving(void *context) {
    (void)context;
    return is_serving;
}

struct rig {
    struct health_service *health;
    struct grpc_service table;
    struct grpc_call *calls[CALLS];
    bool is_draining;
};

static void end_call(struct rig *rig, size_t i) {
    fake_call_free(rig->calls[i]);
    rig->calls[i] = NULL;
}

/* All who read know how it is. */
static void end_turns(struct rig *rig) {
    for (unsigned i = 0; i < LOOPS; i++) rig->table.turn_ends(rig->health, i, (struct instant){0});
    for (size_t i = 0; i < CALLS; i++) {
        struct grpc_call *call = rig->calls[i];
        if (call == NULL || call->is_finished || call->message_count == 0 || call->unsent > 0) continue;
        struct text told = fake_call_last(call);
        hold(told.len == 2 && (told.data[1] == STATUS_UNKNOWN || (told.data[1] == STATUS_SERVING) == is_serving));
    }
}

static void drain_door(struct rig *rig) {
    if (rig->is_draining) return;
    rig->is_draining = true;
    for (unsigned i = 0; i < LOOPS; i++) rig->table.draining(rig->health, i);
    for (size_t i = 0; i < CALLS; i++)
        hold(rig->calls[i] == NULL || rig->calls[i]->is_finished || rig->calls[i]->message_count == 0);
}

/* Returns how many bytes of `data` it used. */
static size_t begin_call(struct rig *rig, size_t i, const uint8_t *data, size_t size) {
    end_call(rig, i);
    if (size < 2) return size;
    rig->calls[i] = fake_call_new(&rig->table, data[0] % 3, data[0] / 3 % LOOPS);
    size_t len = data[1] < size - 2 ? data[1] : size - 2;
    fake_call_message(rig->calls[i], (struct text){(const char *)data + 2, (uint32_t)len});
    struct grpc_call *call = rig->calls[i];
    hold(call->is_finished || call->method == &rig->table.methods[METHOD_WATCH]);
    hold(!call->is_finished || call->code != MUSTER_OK || call->message_count == 1);
    return 2 + len;
}

static size_t take_step(struct rig *rig, const uint8_t *data, size_t size) {
    size_t i = data[0] >> 4;
    struct grpc_call *call = rig->calls[i];
    switch (data[0] & 15) {
    case 0:
    case 1:
    case 2:
        return 1 + begin_call(rig, i, data + 1, size - 1);
    case 3:
        if (call != NULL) fake_call_drain(call);
        break;
    case 4:
        end_call(rig, i);
        break;
    case 5:
        drain_door(rig);
        break;
    case 6:
    case 7:
        is_serving = !is_serving;
        break;
    default:
        if (!rig->is_draining) end_turns(rig);
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct loops *loops; /* only counted */
    if (loops == NULL) loops = loops_start(&(struct loops_config){.threads = LOOPS, .is_driven = true});
    hold(loops != NULL);
    is_serving = true;
    struct rig rig = {.health = health_service_new(loops, names, tell_serving, NULL)};
    hold(rig.health != NULL);
    rig.table = health_service_table(rig.health);
    for (size_t at = 0; at < size;) {
        at += take_step(&rig, data + at, size - at);
        for (size_t i = 0; i < CALLS; i++)
            hold(rig.calls[i] == NULL || rig.calls[i]->is_finished || rig.calls[i]->unsent <= UNSENT_MAX / 2);
    }
    for (size_t i = 0; i < CALLS; i++) end_call(&rig, i);
    health_service_free(rig.health);
    return 0;
}
