/* The nng door in this process, without nng_guard: what it does where a listener dies, as nng 1.5's can. */
#include "muster/limits.h"
#include "net/rep_door.h"
#include "support/sp.h"
#include "support/wait.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { SERVED_MS = 5000 };

struct house {
    struct node *node;
    struct rpc *rpc;
    struct rep_door *door;
};

static struct house house_of(uint32_t reply_timeout_ms) {
    static const char *const urls[] = {"tcp://127.0.0.1:0"};
    const struct node_config config = {.ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = 100000,
                                       .bytes_max = 1 << 28};
    struct house house = {.node = node_new(&config, clock_now())};
    const char *url, *why = "";
    if (house.node == NULL || (house.rpc = rpc_new(house.node, 0)) == NULL) fail_msg("no node");
    const struct rep_door_config door = {.rpc = house.rpc,
                                         .urls = urls,
                                         .url_count = 1,
                                         .reply_timeout_ms = reply_timeout_ms,
                                         .probe_every_ms = 100,
                                         .probe_patience_ms = 500};
    house.door = rep_door_open(&door, &url, &why);
    if (house.door == NULL) fail_msg("no door: %s", why);
    return house;
}

static void house_close(struct house *house) {
    rep_door_close(house->door);
    rpc_free(house->rpc);
    node_free(house->node);
}

static void half_close_and_reset(const char *url, unsigned round) {
    struct sp sp = sp_connect(url);
    if (sp.fd < 0) return;
    for (volatile unsigned i = 0; i < round % 5 * 1000; i++) continue;
    shutdown(sp.fd, SHUT_WR);
    sp_reset(&sp);
}

/* nng below 1.6 stops accepting for good; where a newer one does not, there is nothing to see and that is as well. */
static void a_listener_that_died_is_opened_again(void **state) {
    (void)state;
    struct house house = house_of(0);
    const char *url = rep_door_url(house.door, 0);
    uint64_t slowest_ms = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++) half_close_and_reset(url, i);
        uint64_t start_ms = wait_now_ms();
        while (!sp_is_served(url, 200))
            if (wait_now_ms() - start_ms > SERVED_MS) fail_msg("nobody is served for 5 s after a reset");
        if (wait_now_ms() - start_ms > slowest_ms) slowest_ms = wait_now_ms() - start_ms;
    }
    print_message("served again after at most %llu ms; opened again %llu times\n", (unsigned long long)slowest_ms,
                  (unsigned long long)rep_door_figures(house.door).relistened);
    house_close(&house);
}

static bool has_probed_in_vain(void *context) {
    return rep_door_figures(context).relistened > 0;
}

/* A listener that lives is left alone, whatever happens around it. */
static void a_listener_that_lives_is_left_alone(void **state) {
    (void)state;
    struct house house = house_of(0);
    struct sp idle = sp_open(rep_door_url(house.door, 0), SERVED_MS);
    if (wait_until(has_probed_in_vain, house.door, 1500)) fail_msg("a living listener was opened again");
    uint32_t id;
    size_t len;
    if (!sp_send(&idle, "", 0, &id)) fail_msg("an idle connection was cut off");
    uint8_t *reply = sp_receive(&idle, SERVED_MS, &id, &len);
    if (reply == NULL) fail_msg("an idle connection is not answered");
    free(reply);
    sp_close(&idle);
    house_close(&house);
}

static bool has_no_connections(void *context) {
    return rep_door_figures(context).connections == 0;
}

static bool has_ten_connections(void *context) {
    return rep_door_figures(context).connections >= 10;
}

static void connections_are_counted(void **state) {
    (void)state;
    struct house house = house_of(0);
    const char *url = rep_door_url(house.door, 0);
    struct sp sps[10];
    for (int i = 0; i < 10; i++) sps[i] = sp_open(url, SERVED_MS);
    if (!sp_is_served(url, SERVED_MS)) fail_msg("not served");
    if (!wait_until(has_ten_connections, house.door, SERVED_MS))
        fail_msg("%zu connections", rep_door_figures(house.door).connections);
    for (int i = 0; i < 10; i++) sp_close(&sps[i]);
    if (!wait_until(has_no_connections, house.door, SERVED_MS))
        fail_msg("%zu connections are left", rep_door_figures(house.door).connections);
    house_close(&house);
}

static void an_address_that_cannot_be_had(void **state) {
    (void)state;
    struct house house = house_of(0);
    const char *urls[] = {"tcp://127.0.0.1:0", rep_door_url(house.door, 0)}, *url, *why;
    const struct rep_door_config config = {.rpc = house.rpc, .urls = urls, .url_count = 2};
    struct rep_door *second = rep_door_open(&config, &url, &why);
    if (second != NULL || url != urls[1]) fail_msg("two doors at one address");
    house_close(&house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_that_died_is_opened_again),
        cmocka_unit_test(a_listener_that_lives_is_left_alone),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(an_address_that_cannot_be_had),
    };
    return cmocka_run_group_tests_name("rpc door", tests, NULL, NULL);
}
