/* Questions and answers on the wire. */
#include "cluster/record.h"
#include "cluster/sync_message.h"
#include "golden.h"
#include "muster/v1/cluster.pb-c.h"
#include "support/heap.h"

#include <stdarg.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

static struct known vector[] = {{7, 107}, {9, 33}};
static uint8_t memory[4096];

static struct node_info node_info_of_test(void) {
    return (struct node_info){text_of("a"), text_of("eu"), text_of("tcp://a:7701"), text_of("tcp://a:7704"),
                              text_of("1.0")};
}

static struct text request_of_test(uint64_t until) {
    struct sync_request request = {
        .nonce = "0123456789abcde",
        .origin = 7,
        .node_info = node_info_of_test(),
        .want = WANT_ALL,
        .vector = vector,
        .vector_count = 2,
        .cursor = {.is_set = true, .walk = {.is_begun = true, .has_user = true, .scope_hash = 5, .user_hash = 6}},
        .page_bytes = 65536,
        .until = until};
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    sync_request_put(&out, &request);
    return (struct text){(const char *)memory, (uint32_t)pb_written(&out)};
}

static struct text response_of_test(void) {
    const struct sync_response response = {.nonce = "0123456789abcde",
                                           .origin = 9,
                                           .node_info = node_info_of_test(),
                                           .sent_ms = 1000,
                                           .frame_number = 12,
                                           .sequence = 107,
                                           .members = 55,
                                           .wall_ms = 77,
                                           .stamp = 78,
                                           .heard_frame = 79,
                                           .vector_version = 80,
                                           .is_ready = true,
                                           .is_forgotten = true,
                                           .next = {.is_set = true, .after = 99}};
    const struct change change = {.origin = 9,
                                  .sequence = 100,
                                  .stamp = 5,
                                  .seen_ms = 990,
                                  .scope = text_of("room"),
                                  .user = text_of("ada"),
                                  .ttl_ms = 60000,
                                  .status = STATUS_ONLINE};
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    sync_response_put_head(&out, &response);
    pb_write_element(&out, SYNC_RESPONSE_PEER_HINTS, text_of("tcp://b:7704"));
    vector_put(&out, SYNC_RESPONSE_ORIGINS, vector, 2);
    record_put(&out, SYNC_RESPONSE_RECORDS, &change, 9, 1000);
    sync_response_put_tail(&out, &response);
    return (struct text){(const char *)memory, (uint32_t)pb_written(&out)};
}

static void they_are_what_they_always_were(void **state) {
    (void)state;
    golden_require("sync_request.hex", request_of_test(0));
    golden_require("sync_request_until.hex", request_of_test(500));
    golden_require("sync_response.hex", response_of_test());
}

static void they_are_what_the_contract_says(void **state) {
    (void)state;
    struct text bytes = request_of_test(500);
    Muster__V1__SyncRequest *request = muster__v1__sync_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (request == NULL || request->origin != 7 || request->want != MUSTER__V1__WANT__WANT_ALL ||
        request->n_origins != 2 || request->n_sequences != 2 || request->sequences[1] != 33 ||
        request->cursor == NULL || request->cursor->user_place != 6 || !request->cursor->has_user ||
        request->page_bytes != 65536 || request->until != 500 || request->node_info->sync_address.len != 12)
        fail_msg("the question is another");
    muster__v1__sync_request__free_unpacked(request, NULL);
    bytes = response_of_test();
    Muster__V1__SyncResponse *response =
        muster__v1__sync_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (response == NULL || response->origin != 9 || response->sent_ms != 1000 || response->frame_number != 12 ||
        response->sequence != 107 || !response->ready || response->n_peer_hints != 1 || response->n_records != 1 ||
        response->records[0]->age_ms != 10 || response->stamp != 78 || response->vector_version != 80 ||
        response->heard_frame != 79 || response->next == NULL || response->next->after != 99 || !response->forgotten)
        fail_msg("the answer is another");
    muster__v1__sync_response__free_unpacked(response, NULL);
}

static void what_was_written_is_read(void **state) {
    (void)state;
    static struct decode_memory decoded;
    decoded.allocator = heap_plain();
    struct sync_request request;
    if (!sync_request_get(request_of_test(500), &decoded, &request)) fail_msg("the request is not read");
    if (request.origin != 7 || request.want != WANT_ALL || request.vector_count != 2 ||
        request.vector[0].sequence != 107 || !request.cursor.is_set || request.cursor.walk.user_hash != 6 ||
        !request.cursor.walk.has_user || request.until != 500)
        fail_msg("the request is another");
    struct sync_response response;
    if (!sync_response_get(response_of_test(), &decoded, &response)) fail_msg("the response is not read");
    if (response.origin != 9 || response.next.after != 99 || !response.is_forgotten || response.vector_count != 2 ||
        response.stamp != 78 || response.heard_frame != 79 ||
        memcmp(response.nonce, "0123456789abcde", NONCE_BYTES) != 0)
        fail_msg("the response is another");
    if (response.peer_hint_count != 1 || !text_equal(response.peer_hints[0], text_of("tcp://b:7704")) ||
        response.records.count != 1 || response.records.items[0].seen_ms != 10)
        fail_msg("its lists are others");
    decode_memory_free(&decoded);
}

static bool reads_vector(const uint64_t *origins, size_t n, const char *sequences, uint32_t len) {
    static struct known theirs[ROLL_ORIGINS_MAX];
    size_t count;
    return vector_get((struct text){(const char *)origins, (uint32_t)(n * 8)}, (struct text){sequences, len}, theirs,
                      &count);
}

static void a_vector_is_ascending_and_whole(void **state) {
    (void)state;
    const uint64_t good[] = {1, 2}, twice[] = {2, 2}, falling[] = {3, 2}, none[] = {0, 1};
    if (!reads_vector(good, 2, "\x01\x02", 2)) fail_msg("a good one is refused");
    if (reads_vector(twice, 2, "\x01\x02", 2) || reads_vector(falling, 2, "\x01\x02", 2) ||
        reads_vector(none, 2, "\x01\x02", 2))
        fail_msg("origins that do not ascend are taken");
    if (reads_vector(good, 2, "\x01", 1) || reads_vector(good, 2, "\x01\x02\x03", 3) ||
        reads_vector(good, 2, "\x01\x82", 2))
        fail_msg("another number of sequences is taken");
    if (reads_vector(good, 1, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8)) fail_msg("a sequence out of its range is taken");
}

static void a_label_holds_no_control_characters(void **state) {
    (void)state;
    struct node_info node_info = node_info_of_test();
    node_info.name = text_of("a\x1b[2J");
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    node_info_put(&out, 1, &node_info);
    struct pb_reader in = pb_read((struct text){(const char *)memory, (uint32_t)pb_written(&out)});
    struct pb_field field;
    if (!pb_next(&in, &field)) fail_msg("it is not read");
    if (node_info_get(field.bytes, &node_info)) fail_msg("an escape sequence is taken as a name");
    if (node_info.sync_address.len != 0) fail_msg("something is left of it");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_what_they_always_were),
        cmocka_unit_test(they_are_what_the_contract_says),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_vector_is_ascending_and_whole),
        cmocka_unit_test(a_label_holds_no_control_characters),
    };
    return cmocka_run_group_tests_name("cluster.sync_message", tests, NULL, NULL);
}
