/* The messages of the contract, without what wraps them on a wire (proto/muster/v1/presence.proto). */
#include "presence_message.h"
#include "common/protobuf.h"

#include <stdlib.h>
#include <string.h>

/* ---- requests ---- */

/* Users are written in place without checks: the buffer has work_request_bytes_max bytes. */
static void put_users(const struct work *work, struct user_choice *choice, struct pb_writer *out) {
    for (uint32_t i = 0; i < work_users_each(work); i++) {
        out->at = pb_put_length(out->at, 2, USER_BYTES);
        work_next_user(work, choice, out->at);
        out->at += USER_BYTES;
    }
}

static void put_touch(const struct work *work, struct user_choice *choice, struct pb_writer *out) {
    pb_write_number(out, 2, work->ttl_ms);
    for (uint32_t i = 0; i < work->batch; i++) {
        out->at = pb_put_length(out->at, 3, pb_element_size(USER_BYTES));
        out->at = pb_put_length(out->at, 2, USER_BYTES);
        work_next_user(work, choice, out->at);
        out->at += USER_BYTES;
    }
}

static void put_list(const struct work *work, const struct page_token *page, struct pb_writer *out) {
    pb_write_number(out, 2, work->batch);
    if (page != NULL) pb_write_text(out, 3, (struct text){(const char *)page->bytes, page->len});
}

static void put_rest(const struct work *work, struct user_choice *choice, const struct page_token *page,
                     struct pb_writer *out) {
    switch (work->kind) {
    case WORK_TOUCH:
        put_touch(work, choice, out);
        return;
    case WORK_LIVE:
    case WORK_PING:
        put_users(work, choice, out);
        return;
    case WORK_LIST:
        put_list(work, page, out);
        return;
    case WORK_COUNTS:
        for (uint32_t i = 0; i < work->window_count; i++) pb_write_number(out, 2, work->windows_ms[i]);
        return;
    case WORK_ECHO:
        break;
    }
    abort();
}

void message_write(const struct work *work, struct user_choice *choice, const struct page_token *page,
                   struct pb_writer *out) {
    if (work->scope != NULL) pb_write_text(out, 1, text_of(work->scope));
    put_rest(work, choice, page, out);
}

/* ---- responses ---- */

/* Of LiveResponse and ListResponse: reads every field of every user, as a client would. */
static uint64_t read_users(struct text response, struct answer *out) {
    struct pb_reader users = pb_read(response);
    uint64_t live = 0;
    for (struct pb_field user, field; pb_next(&users, &user);) {
        if (user.number == 1) {
            struct pb_reader fields = pb_read(user.bytes);
            while (pb_next(&fields, &field))
                if (field.number == 2) live += field.value;
        } else if (user.number == 2) {
            out->page_token = (const uint8_t *)user.bytes.data;
            out->page_token_len = user.bytes.len;
        }
    }
    if (users.is_broken || out->page_token_len > PAGE_TOKEN_BYTES_MAX) out->fault = FAULT_MALFORMED;
    return live;
}

/* CountsResponse.scopes[..].windows[..].users, their sum. */
static uint64_t read_counts(struct text response) {
    struct pb_reader scopes = pb_read(response);
    uint64_t users = 0;
    for (struct pb_field scope, field, part; pb_next(&scopes, &scope);) {
        struct pb_reader fields = pb_read(scope.bytes);
        while (pb_next(&fields, &field)) {
            if (field.number != 7) continue;
            struct pb_reader window = pb_read(field.bytes);
            while (pb_next(&window, &part))
                if (part.number == 2) users += part.value;
        }
    }
    return users;
}

void message_read(const struct work *work, struct text response, struct answer *out) {
    switch (work->kind) {
    case WORK_TOUCH:
    case WORK_ECHO:
        return;
    case WORK_LIVE:
    case WORK_PING:
    case WORK_LIST:
        out->hits += read_users(response, out);
        return;
    case WORK_COUNTS:
        out->hits += read_counts(response);
    }
}
