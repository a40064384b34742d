/* SP and protobuf: the bytes of Call and Reply (proto/muster/v1/presence.proto; docs/protocol.md). */
#include "common/protobuf.h"
#include "common/sp.h"
#include "presence_message.h"

#include <stdlib.h>

enum { /* fields of Call and Reply */
       CALL_TOKEN = 1,
       CALL_TOUCH = 2,
       CALL_LIVE = 4,
       CALL_LIST = 5,
       CALL_COUNTS = 6,
       REPLY_CODE = 1,
       REPLY_MESSAGE = 2,
       REPLY_TOUCH = 3,
       REPLY_LIVE = 5,
       REPLY_LIST = 6,
       REPLY_COUNTS = 7,
       MESSAGE_TEXT_MAX = 200, /* shown of an error */
};

/* ---- requests ---- */

static void put_call(const struct work *work, struct user_choice *choice, const struct page_token *page,
                     struct pb_writer *out) {
    static const unsigned fields[] = {[WORK_TOUCH] = CALL_TOUCH,
                                      [WORK_LIVE] = CALL_LIVE,
                                      [WORK_LIST] = CALL_LIST,
                                      [WORK_COUNTS] = CALL_COUNTS,
                                      [WORK_PING] = CALL_LIVE};
    if (work->token != NULL) pb_write_text(out, CALL_TOKEN, text_of(work->token));
    uint8_t *request = pb_begin(out, fields[work->kind]);
    message_write(work, choice, page, out);
    pb_end(out, request);
}

static size_t write_request(const struct work *work, struct user_choice *choice, const struct request *request,
                            uint8_t *out) {
    const size_t header = sp_header_bytes(request->is_ipc);
    struct pb_writer message = pb_write_to(out + header, work_request_bytes_max(work) - header);
    if (work->kind == WORK_ECHO) memset(message.at, 'e', ECHO_BYTES), message.at += ECHO_BYTES;
    else put_call(work, choice, request->page, &message);
    sp_put_header(out, request->is_ipc, request->slot, pb_written(&message));
    return header + pb_written(&message);
}

/* ---- answers ---- */

static void note_refusal(struct text message, uint64_t code, struct answer *out) {
    if (code == 0) return;
    out->fault = FAULT_REFUSED;
    (void)error_fail(&out->why, (enum muster_code)code, "%.*s",
                     message.len > MESSAGE_TEXT_MAX ? MESSAGE_TEXT_MAX : (int)message.len,
                     message.len > 0 ? message.data : "");
}

static void read_reply(const struct work *work, struct text reply, struct answer *out) {
    static const uint32_t wanted[WORK_ECHO + 1] = {[WORK_TOUCH] = REPLY_TOUCH,
                                                   [WORK_LIVE] = REPLY_LIVE,
                                                   [WORK_LIST] = REPLY_LIST,
                                                   [WORK_COUNTS] = REPLY_COUNTS,
                                                   [WORK_PING] = REPLY_LIVE};
    struct pb_reader fields = pb_read(reply);
    struct text message = {0};
    uint64_t code = 0;
    bool has_wanted = false;
    for (struct pb_field field; pb_next(&fields, &field);) {
        if (field.number == REPLY_CODE) code = field.value;
        if (field.number == REPLY_MESSAGE) message = field.bytes;
        has_wanted |= field.number == wanted[work->kind];
        if (field.number == wanted[work->kind]) message_read(work, field.bytes, out);
    }
    if (fields.is_broken || (code == 0 && !has_wanted)) out->fault = FAULT_MALFORMED;
    else note_refusal(message, code, out);
}

static void set_malformed(struct answer *out) {
    out->fault = FAULT_MALFORMED;
    (void)error_fail(&out->why, MUSTER_UNAVAILABLE, "the other side is not a node");
}

static size_t read_frame(struct reading *reading, const uint8_t *data, size_t len, struct text *message,
                         struct answer *out) {
    size_t used = 0;
    enum sp_result result = sp_read(data, len, reading->is_ipc, ANSWER_BYTES_MAX, &out->slot, message, &used);
    if (result == SP_MALFORMED) set_malformed(out);
    out->is_done = result == SP_MESSAGE;
    return used;
}

static size_t read_answer(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                          struct answer *out) {
    struct text message;
    size_t used = read_frame(reading, data, len, &message, out);
    if (used == 0) return 0;
    read_reply(work, message, out);
    if (out->fault == FAULT_MALFORMED) set_malformed(out);
    return used;
}

static size_t read_echo(const struct work *work, struct reading *reading, const uint8_t *data, size_t len,
                        struct answer *out) {
    struct text message;
    size_t used = read_frame(reading, data, len, &message, out);
    if (used == 0 || work->kind != WORK_ECHO) return used;
    if (message.len != ECHO_BYTES || message.data[0] != 'e' || message.data[ECHO_BYTES - 1] != 'e') set_malformed(out);
    return used;
}

/* Each side says which protocol of nng's it speaks: 0x30 is REQ, 0x31 REP. */
static const uint8_t hello[SP_GREETING_BYTES] = SP_GREETING_REQ;
static const uint8_t hello_answer[SP_GREETING_BYTES] = SP_GREETING_REP;

const struct protocol protocol_muster = {.name = "muster",
                                         .hello = hello,
                                         .hello_answer = hello_answer,
                                         .hello_bytes = sizeof hello,
                                         .write_request = write_request,
                                         .read_answer = read_answer};
const struct protocol protocol_echo = {.name = "echo",
                                       .hello = hello,
                                       .hello_answer = hello_answer,
                                       .hello_bytes = sizeof hello,
                                       .write_request = write_request,
                                       .read_answer = read_echo};

const struct protocol *protocol_named(const char *name) {
    static const struct protocol *const all[] = {&protocol_muster, &protocol_redis, &protocol_grpc, &protocol_echo};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(name, all[i]->name) == 0) return all[i];
    return NULL;
}
