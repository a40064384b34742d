/* Frames on the wire: golden vectors, what protobuf-c makes of them, and what is refused. */
#include "cluster/frame.h"
#include "golden.h"
#include "muster/v1/cluster.pb-c.h"
#include "support/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CHANGES = 6 };
static const uint64_t now_ms = UINT64_C(1) << 40;
static const uint64_t stamp = UINT64_C(1700000000000) << HLC_COUNTER_BITS;

static struct roll *roll_of_test(void) {
    struct roll_config config = {.hash_key = "0123456789abcde",
                                 .retention_ms = 3600000,
                                 .members_max = 1000,
                                 .bytes_max = 1 << 20,
                                 .log_slots = 16,
                                 .allocator = heap_plain()};
    struct roll *roll = roll_new(&config);
    if (roll == NULL) fail_msg("no memory");
    return roll;
}

/* News, a leave, a reset, another origin's register, refreshes in two scopes, one of a named session. */
static void changes_of_test(struct change changes[CHANGES]) {
    const struct change all[CHANGES] = {
        {.origin = 7,
         .sequence = 101,
         .stamp = stamp,
         .seen_ms = now_ms - 5,
         .scope = text_of("room"),
         .user = text_of("ada"),
         .session = text_of("tab-1"),
         .state = text_of("typing"),
         .ttl_ms = 60000,
         .status = STATUS_BUSY},
        {.origin = 7,
         .sequence = 102,
         .stamp = stamp + 1,
         .seen_ms = now_ms - 4,
         .scope = text_of("room"),
         .user = text_of("bob"),
         .ttl_ms = 0,
         .status = STATUS_ONLINE},
        {.origin = 9, .sequence = 33, .stamp = stamp + 2, .seen_ms = now_ms, .is_reset = true, .scope = text_of("old")},
        {.origin = 7,
         .sequence = 104,
         .stamp = stamp + 3,
         .seen_ms = now_ms - 900,
         .is_refresh = true,
         .scope = text_of("room"),
         .user = text_of("cleo"),
         .ttl_ms = 60000,
         .status = STATUS_ONLINE},
        {.origin = 7,
         .sequence = 105,
         .stamp = stamp + (3 << HLC_COUNTER_BITS),
         .seen_ms = now_ms - 897,
         .is_refresh = true,
         .scope = text_of("hall"),
         .user = text_of("dan"),
         .session = text_of("s"),
         .ttl_ms = 60000,
         .status = STATUS_ONLINE},
        {.origin = 7,
         .sequence = 107,
         .stamp = stamp + (400 << HLC_COUNTER_BITS),
         .seen_ms = now_ms - 500,
         .is_refresh = true,
         .scope = text_of("room"),
         .user = text_of("eve"),
         .ttl_ms = 60000,
         .status = STATUS_ONLINE},
    };
    memcpy(changes, all, sizeof all);
}

static struct frame_draft draft;
static struct decode_memory decoded;

/* Completes the draft under this head. */
static struct text end_of(struct frame_head head) {
    size_t refresh_bytes;
    draft.head = head;
    return frame_end(&draft, &refresh_bytes);
}

static struct text frame_of_test(const struct roll *roll, uint64_t reach) {
    struct change changes[CHANGES];
    changes_of_test(changes);
    frame_begin(&draft, roll, 7, now_ms);
    frame_add(&draft, changes, CHANGES);
    return end_of((struct frame_head){7, 12, 100, 107, now_ms, true, reach});
}

static void a_frame_is_what_it_always_was(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    golden_require("frame.hex", frame_of_test(roll, 0));
    golden_require("frame_reach.hex", frame_of_test(roll, 60));
    roll_free(roll);
}

static struct text digest_of_test(const struct roll *roll) {
    static struct known vector[] = {{7, 107}, {9, 33}, {UINT64_C(0xfedcba9876543210), SEQUENCE_MAX}};
    const struct digest digest = {
        .node_info = {text_of("a"), text_of("eu"), text_of("tcp://a:7701"), text_of("tcp://a:7704"), text_of("1.0")},
        .vector = vector,
        .vector_count = 3,
        .vector_version = 300,
        .vector_since = 296,
        .members = 12345,
        .wall_ms = UINT64_C(1700000000000),
        .is_leaving = true,
        .peer_hint = text_of("tcp://b:7704")};
    frame_begin(&draft, roll, 7, now_ms);
    frame_add_digest(&draft, &digest);
    return end_of((struct frame_head){7, 13, 107, 107, now_ms, false, 0});
}

static void a_digest_is_what_it_always_was(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    golden_require("digest.hex", digest_of_test(roll));
    roll_free(roll);
}

/* The contract, as a generated reader has it. */
static void a_frame_is_what_the_contract_says(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    struct text bytes = frame_of_test(roll, 60);
    Muster__V1__Frame *frame = muster__v1__frame__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (frame == NULL) fail_msg("protobuf-c does not read it");
    if (frame->origin != 7 || frame->number != 12 || frame->previous != 100 || frame->last != 107 || !frame->partial ||
        frame->sent_ms != now_ms || frame->reach != 60 || frame->n_records != 3 || frame->refreshes == NULL)
        fail_msg("the head is another");
    const Muster__V1__Record *ada = frame->records[0], *reset = frame->records[2];
    if (ada->ttl_ms != 60000 || ada->status != STATUS_BUSY || ada->age_ms != 5 || ada->stamp != stamp ||
        ada->sequence != 101 || ada->origin != 0 || ada->state.len != 6 || memcmp(ada->session.data, "tab-1", 5) != 0)
        fail_msg("the first record is another");
    if (!reset->reset || reset->origin != 9 || reset->sequence != 33 || reset->scope.len != 3)
        fail_msg("the reset is another");
    const Muster__V1__Refreshes *refreshes = frame->refreshes;
    if (refreshes->n_users != 3 || refreshes->n_scopes != 2 || refreshes->n_sessions != 3 ||
        refreshes->sequence != 103 || refreshes->age_ms != 900 || refreshes->stamp != stamp + 3)
        fail_msg("the refreshes are others");
    if (refreshes->ages[1] != 3 || refreshes->ages[2] != 397 || refreshes->sequences[2] != 1 ||
        refreshes->stamps[1] != -3)
        fail_msg("the columns are others");
    muster__v1__frame__free_unpacked(frame, NULL);
    roll_free(roll);
}

static void what_was_written_is_read(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    struct change changes[CHANGES];
    changes_of_test(changes);
    struct frame frame;
    if (frame_read(frame_of_test(roll, 101), &decoded, &frame))
        fail_msg("refreshes that reach beyond the first beat are read");
    if (!frame_read(frame_of_test(roll, 60), &decoded, &frame) || frame.head.reach != 60) fail_msg("it is not read");
    if (frame.records.count != 3 || frame.records.wrong != 0) fail_msg("%zu records", frame.records.count);
    for (size_t i = 0; i < 3; i++) {
        const struct change *change = &frame.records.items[i];
        if (change->origin != changes[i].origin || change->sequence != changes[i].sequence ||
            change->stamp != changes[i].stamp || change->seen_ms != now_ms - changes[i].seen_ms ||
            !text_equal(change->user, changes[i].user) || !text_equal(change->state, changes[i].state) ||
            change->is_reset != changes[i].is_reset)
            fail_msg("record %zu is another", i);
    }
    if (frame.are_refreshes_broken || frame.refresh_count != CHANGES - 3)
        fail_msg("%zu refreshes of %d", frame.refresh_count, CHANGES - 3);
    for (size_t i = 3; i < CHANGES; i++) {
        const struct refresh *refresh = &frame.refreshes[i - 3];
        if (refresh->scope_hash != roll_hash(roll, changes[i].scope) ||
            refresh->user_hash != roll_hash(roll, changes[i].user) ||
            refresh->session_hash != roll_session_hash(roll, changes[i].session) ||
            refresh->sequence != changes[i].sequence || refresh->stamp != changes[i].stamp ||
            refresh->seen_ms != now_ms - changes[i].seen_ms)
            fail_msg("refresh %zu is another", i);
    }
    roll_free(roll);
}

static void a_digest_is_read(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    struct frame frame;
    if (!frame_read(digest_of_test(roll), &decoded, &frame) || !frame.has_digest) fail_msg("it is not read");
    const struct digest digest = frame.digest;
    if (digest.vector_count != 3 || digest.vector[1].sequence != 33 || digest.members != 12345 || !digest.is_leaving ||
        !text_equal(digest.node_info.sync_address, text_of("tcp://a:7704")) || digest.vector_version != 300 ||
        digest.vector_since != 296 || !text_equal(digest.peer_hint, text_of("tcp://b:7704")))
        fail_msg("it is another");
    roll_free(roll);
}

/* A frame that ends anywhere is broken, or a shorter frame; never more than there is. */
static void every_beginning_of_a_frame_is_read_or_refused(void **state) {
    (void)state;
    struct roll *roll = roll_of_test();
    struct text bytes = frame_of_test(roll, 60);
    for (uint32_t len = 0; len < bytes.len; len++) {
        uint8_t *piece = malloc(len + 1);
        if (piece == NULL) fail_msg("no memory");
        memcpy(piece, bytes.data, len);
        struct frame frame;
        if (frame_read((struct text){(const char *)piece, len}, &decoded, &frame) &&
            (frame.refresh_count > 0 || frame.are_refreshes_broken))
            fail_msg("%u of %u bytes have refreshes", len, bytes.len);
        if (frame.refresh_count > 0) fail_msg("refreshes from nowhere");
        free(piece);
    }
    roll_free(roll);
}

static enum record_verdict verdict_of(struct change change) {
    uint8_t memory[RECORD_BYTES_MAX];
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    record_put(&out, 1, &change, 7, now_ms);
    struct pb_reader in = pb_read((struct text){(const char *)memory, (uint32_t)pb_written(&out)});
    struct pb_field record;
    if (!pb_next(&in, &record)) fail_msg("it is not read");
    return record_get(record.bytes, 7, &change);
}

static void a_record_out_of_its_range_is_refused(void **state) {
    (void)state;
    static char letters[MUSTER_STATE_BYTES_MAX + 1];
    memset(letters, 'x', sizeof letters);
    struct change changes[CHANGES], good;
    changes_of_test(changes);
    good = changes[0];
    struct change bad[12];
    for (size_t i = 0; i < 12; i++) bad[i] = good;
    bad[0].scope = (struct text){0};
    bad[1].scope = (struct text){letters, MUSTER_ID_BYTES_MAX + 1};
    bad[2].user = (struct text){0};
    bad[3].user = (struct text){"a\0b", 3};
    bad[4].user = (struct text){"\xff", 1};
    bad[5].session = (struct text){letters, MUSTER_ID_BYTES_MAX + 1};
    bad[6].state = (struct text){letters, MUSTER_STATE_BYTES_MAX + 1};
    bad[7].ttl_ms = MUSTER_TTL_MAX_MS + 1;
    bad[8].status = STATUS_BUSY + 1;
    bad[9].stamp = 0;
    bad[10].sequence = 0;
    bad[11].sequence = SEQUENCE_MAX + 1;
    if (verdict_of(good) != RECORD_GOOD) fail_msg("a good one is refused");
    for (size_t i = 0; i < 12; i++)
        if (verdict_of(bad[i]) != RECORD_WRONG) fail_msg("bad record %zu is taken", i);
    good.state = (struct text){letters, MUSTER_STATE_BYTES_MAX};
    good.user = good.session = good.scope = (struct text){letters, MUSTER_ID_BYTES_MAX};
    if (verdict_of(good) != RECORD_GOOD) fail_msg("the largest one is refused");
}

/* The most that a frame can be asked to hold fits it. */
static void the_largest_changes_fit_a_frame(void **state) {
    (void)state;
    static char letters[MUSTER_STATE_BYTES_MAX];
    memset(letters, 'x', sizeof letters);
    struct roll *roll = roll_of_test();
    struct change changes[FRAME_PIECE];
    size_t added = 0;
    for (size_t i = 0; i < FRAME_PIECE; i++) {
        const struct text id = {letters, MUSTER_ID_BYTES_MAX};
        changes[i] = (struct change){.origin = UINT64_MAX,
                                     .sequence = SEQUENCE_MAX,
                                     .stamp = UINT64_MAX,
                                     .scope = id,
                                     .user = id,
                                     .session = id,
                                     .state = {letters, MUSTER_STATE_BYTES_MAX},
                                     .ttl_ms = MUSTER_TTL_MAX_MS,
                                     .status = STATUS_BUSY};
    }
    frame_begin(&draft, roll, 7, now_ms);
    for (; frame_has_room(&draft); added += FRAME_PIECE) frame_add(&draft, changes, FRAME_PIECE);
    struct text bytes =
        end_of((struct frame_head){UINT64_MAX, UINT64_MAX, SEQUENCE_MAX, SEQUENCE_MAX, UINT64_MAX, 1, SEQUENCE_MAX});
    struct frame frame;
    if (!frame_read(bytes, &decoded, &frame) || frame.records.count + frame.records.wrong != added)
        fail_msg("%zu and %zu of %zu are there", frame.records.count, frame.records.wrong, added);
    if (bytes.len > REPLICA_FRAME_BYTES_MAX - SEAL_OVERHEAD_BYTES) fail_msg("%u bytes", bytes.len);
    for (size_t i = 0; i < FRAME_PIECE; i++) changes[i].is_refresh = true;
    frame_begin(&draft, roll, 7, now_ms);
    for (added = 0; frame_has_room(&draft); added += FRAME_PIECE) frame_add(&draft, changes, FRAME_PIECE);
    bytes = end_of((struct frame_head){7, 1, SEQUENCE_MAX, SEQUENCE_MAX, UINT64_MAX, 1, SEQUENCE_MAX});
    if (!frame_read(bytes, &decoded, &frame) || frame.refresh_count + frame.wrong_refreshes != added)
        fail_msg("not all of %zu refreshes are there", added);
    roll_free(roll);
}

static int begin(void **state) {
    (void)state;
    decoded.allocator = heap_plain();
    return 0;
}

static int end(void **state) {
    (void)state;
    decode_memory_free(&decoded);
    return 0;
}

/* A register of the user carries its kind and a name that no session may have; what does not fit together is refused.
 */
static void a_register_of_a_user_comes_back_and_nothing_else_does(void **state) {
    (void)state;
    struct change changes[CHANGES], good[3];
    changes_of_test(changes);
    for (size_t i = 0; i < 3; i++) {
        good[i] = changes[0];
        good[i].kind = i == 0 ? REGISTER_LEAVE : REGISTER_STATUS;
        good[i].session = register_session(good[i].kind);
        good[i].state.len = 0;
        good[i].ttl_ms = i == 1 ? (uint32_t)MUSTER_STATUS_TTL_MAX_MS : 0; /* left; set; cleared */
        if (verdict_of(good[i]) != RECORD_GOOD) fail_msg("register %zu is refused", i);
    }
    struct change bad[] = {good[0], good[0], good[0], good[1], good[1], good[1], good[1], good[1]};
    bad[0].ttl_ms = 1;
    bad[1].session = register_session(REGISTER_STATUS);
    bad[2].state = text_of("x");
    bad[3].ttl_ms++;
    bad[4].status = STATUS_NONE;
    bad[5].session = text_of("tab");
    bad[6].kind = REGISTER_SESSION; /* no session has such a name */
    bad[7].kind = REGISTER_KINDS;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (verdict_of(bad[i]) != RECORD_WRONG) fail_msg("bad register %zu is taken", i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_what_it_always_was),
        cmocka_unit_test(a_digest_is_what_it_always_was),
        cmocka_unit_test(a_frame_is_what_the_contract_says),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_digest_is_read),
        cmocka_unit_test(every_beginning_of_a_frame_is_read_or_refused),
        cmocka_unit_test(a_record_out_of_its_range_is_refused),
        cmocka_unit_test(a_register_of_a_user_comes_back_and_nothing_else_does),
        cmocka_unit_test(the_largest_changes_fit_a_frame),
    };
    return cmocka_run_group_tests_name("cluster.frame", tests, begin, end);
}
