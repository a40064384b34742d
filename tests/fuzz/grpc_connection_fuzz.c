/* A whole connection of the gRPC door, from its preface on, with a service that echoes: whatever comes, cut anyhow and
 * with time passing, every call that was opened is closed once, no memory of a connection is left, and what is said is
 * HTTP/2 (h2.c ends the run where it is not).
 *
 * Byte 0: whether a greeting stands before the input (bit 0), and whether the other side reads (bit 1); byte 1: how
 * long the pieces are; byte 2: how many ms pass after each. The rest are the bytes of the client. */
#include "fuzz.h"
#include "net/grpc/rig.h"

enum { OPTION_BYTES = 3, INPUT_MAX = 1 << 16, PASSING_MAX = 2000 };

static struct rig rig;
static bool is_open;

static void run_turns(struct h2 *h2) {
    rig_turn(&rig, 2);
    if (!h2->never_reads) h2_read_all(h2);
}

static void converse(const uint8_t *data, size_t size) {
    const size_t piece = 1 + (size_t)data[1] * 8;
    const uint64_t pass_ms = data[2] < 128 ? 0 : (uint64_t)data[2] * 8;
    struct h2 *h2 = rig_connect(&rig);
    h2->keeps_settings = h2->keeps_pings = h2->keeps_windows = true; /* the input alone is what the client says */
    h2->receive_window = h2->initial_window = INT64_MAX / 4;         /* it says what the windows are */
    h2->never_reads = (data[0] & 2) != 0;
    if ((data[0] & 1) != 0) {
        h2_write(h2, H2_PREFACE, H2_PREFACE_BYTES);
        h2_write_settings(h2, NULL, 0);
    }
    uint64_t passed_ms = 0;
    for (size_t at = OPTION_BYTES; at < size && !h2->is_ended;) {
        size_t len = size - at < piece ? size - at : piece;
        if (!h2_write(h2, data + at, len)) break;
        at += len;
        run_turns(h2);
        if (passed_ms < PASSING_MAX) rig_pass(&rig, pass_ms, pass_ms + 1);
        passed_ms += pass_ms;
    }
    run_turns(h2);
    h2_close(h2);
    rig_turn(&rig, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < OPTION_BYTES || size > INPUT_MAX) return 0;
    if (!is_open) rig_open(&rig, NULL);
    is_open = true;
    converse(data, size);
    hold(rig_connections(&rig) == 0);
    hold(rig_bytes(&rig) == 0);
    hold(rig.echo.opened == rig.echo.closed);
    return 0;
}
