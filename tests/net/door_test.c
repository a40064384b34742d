/* The door for calls in this process: its connections, its deadlines, its addresses. */
#include "house.h"
#include "support/sp.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { SERVED_MS = 5000, ENDED_MS = 10000 };

static const struct house_settings usual;

static void half_close_and_reset(const char *url, unsigned round) {
    struct sp sp = sp_connect(url);
    if (sp.fd < 0) return;
    for (volatile unsigned i = 0; i < round % 5 * 1000; i++) continue;
    shutdown(sp.fd, SHUT_WR);
    sp_reset(&sp);
}

static void resets_during_the_handshake(void **state) {
    (void)state;
    struct house house = house_open(&usual);
    for (unsigned i = 0; i < 300; i++) half_close_and_reset(house.url, i);
    if (!sp_is_served(house.url, SERVED_MS)) fail_msg("nobody is served after resets");
    house_close(&house);
}

static bool has_no_connections(void *context) {
    return door_figures(context).connections == 0;
}

static bool has_ten_connections(void *context) {
    return door_figures(context).connections >= 10;
}

static void connections_are_counted(void **state) {
    (void)state;
    struct house house = house_open(&usual);
    const char *url = house.url;
    struct sp sps[10];
    for (int i = 0; i < 10; i++) sps[i] = sp_open(url, SERVED_MS);
    if (!sp_is_served(url, SERVED_MS)) fail_msg("not served");
    if (!wait_until(has_ten_connections, house.door, SERVED_MS))
        fail_msg("%zu connections", door_figures(house.door).connections);
    for (int i = 0; i < 10; i++) sp_close(&sps[i]);
    if (!wait_until(has_no_connections, house.door, SERVED_MS))
        fail_msg("%zu connections are left", door_figures(house.door).connections);
    house_close(&house);
}

static void expect_ended(struct sp *sp, struct house *house, enum stream_end why, const char *what) {
    if (!sp_is_closed(sp, ENDED_MS)) fail_msg("%s is kept", what);
    sp_close(sp);
    if (door_figures(house->door).ended[why] == 0) fail_msg("%s ended otherwise", what);
}

static void what_is_not_finished_has_a_deadline(void **state) {
    (void)state;
    struct house house = house_open(&(const struct house_settings){.unfinished_ms = 300});
    struct sp part = sp_open(house.url, SERVED_MS), bystander = sp_open(house.url, SERVED_MS);
    uint32_t id;
    size_t len;
    sp_write_length(&part, 1 << 20);
    sp_write(&part, "half", 4);
    expect_ended(&part, &house, STREAM_UNFINISHED, "a message that is never finished");
    struct sp greeting = sp_connect(house.url);
    sp_write(&greeting, sp_greeting, 7);
    expect_ended(&greeting, &house, STREAM_STRANGER, "a handshake that is never finished");
    if (!sp_send(&bystander, "", 0, &id)) fail_msg("a bystander was cut off");
    uint8_t *reply = sp_receive(&bystander, SERVED_MS, &id, &len);
    if (reply == NULL) fail_msg("a bystander is not answered");
    free(reply);
    sp_close(&bystander);
    house_close(&house);
}

static void who_never_asks_has_a_deadline(void **state) {
    (void)state;
    struct house house = house_open(&(const struct house_settings){.idle_ms = 500});
    struct sp asks = sp_open(house.url, SERVED_MS), silent = sp_open(house.url, SERVED_MS);
    uint32_t id;
    size_t len;
    if (!sp_send(&asks, "", 0, &id)) fail_msg("not taken");
    expect_ended(&silent, &house, STREAM_IDLE, "a connection that never asks");
    uint8_t *reply = sp_receive(&asks, SERVED_MS, &id, &len);
    if (reply == NULL) fail_msg("not answered");
    free(reply);
    if (!sp_send(&asks, "", 0, &id) || (reply = sp_receive(&asks, SERVED_MS, &id, &len)) == NULL)
        fail_msg("a connection that asked once is not kept");
    free(reply);
    sp_close(&asks);
    house_close(&house);
}

static void an_address_that_cannot_be_had(void **state) {
    (void)state;
    struct house house = house_open(&usual);
    const char *urls[] = {"tcp://127.0.0.1:0", house.url};
    struct error error;
    const struct rpc_door_config config = {
        .rpc = house.rpc, .watch_task = house.watch_task, .urls = urls, .url_count = 2};
    struct rpc_door *second = rpc_door_open(house.loops, &config, &error);
    if (second != NULL || strstr(error.text, house.url) == NULL) fail_msg("two doors at one address");
    house_close(&house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resets_during_the_handshake),   cmocka_unit_test(what_is_not_finished_has_a_deadline),
        cmocka_unit_test(who_never_asks_has_a_deadline), cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(an_address_that_cannot_be_had),
    };
    return cmocka_run_group_tests_name("rpc door", tests, NULL, NULL);
}
