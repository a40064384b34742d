/* Programs that were compiled with an older header, whose options are shorter, and with a newer one. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* After the above, which it wants. */
#include <cmocka.h>

static struct fake_node *node;
static char url[48];
static const char *addresses[] = {url};
static struct muster_client *client;

static int set_up(void **state) {
    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port_free());
    node = fake_node_start(url);
    struct muster_options options = {.addresses = addresses, .address_count = 1, .token = "sesame"};
    struct muster_error error;
    if (muster_open(&options, &client, &error) != MUSTER_OK) fail_msg("%s", error.message);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    muster_close(client);
    fake_node_stop(node);
    return 0;
}

/* Memory that ends with these bytes: what is read behind them is a fault. To be freed by edge_free. */
static void *edge_of(const void *bytes, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) != 0) fail_msg("no memory");
    return memcpy(memory + page - size, bytes, size);
}

static void edge_free(void *at, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap((char *)at + size - page, 2 * page);
}

/* As an older header had them: without the last field. */
struct old_options {
    const char *const *addresses;
    size_t address_count;
    const char *token;
    uint32_t timeout_ms, attempt_ms, connect_ms;
};
struct old_query {
    const char *scope;
    unsigned statuses;
    uint32_t page_size;
    const char *page_token;
};
struct old_keepalive_options {
    uint32_t ttl_ms;
};
struct old_watch_options {
    const char *scope;
};

static void an_older_program_goes_with_this_library(void **state) {
    (void)state;
    struct muster_error error;
    struct old_options options = {.addresses = addresses, .address_count = 1, .token = "old", .connect_ms = 20000};
    void *old = edge_of(&options, sizeof options);
    struct muster_client *opened;
    if (muster_open_sized(old, sizeof options, &opened, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    edge_free(old, sizeof options);
    assert_int_equal(muster_touch(opened, NULL, 0, &(struct muster_beat){.user = "ada"}, 1, NULL, NULL), MUSTER_OK);
    char *token = fake_node_token(node);
    assert_string_equal(token, "old");
    free(token);

    fake_node_set_pages(node, 2, 3);
    struct old_query query = {.page_size = 3};
    struct muster_users *users = NULL;
    old = edge_of(&query, sizeof query);
    if (muster_list_sized(opened, old, sizeof query, &users, &error) != MUSTER_OK) fail_msg("list: %s", error.message);
    assert_int_equal(users->count, 3);
    muster_users_free(users);
    struct muster_walk *walk;
    if (muster_walk_open_sized(opened, old, sizeof query, &walk, &error) != MUSTER_OK)
        fail_msg("walk: %s", error.message);
    size_t walked = 0;
    while (muster_walk_next(walk) != NULL) walked++;
    assert_int_equal(walked, 6);
    assert_int_equal(muster_walk_close(walk, NULL), MUSTER_OK);
    edge_free(old, sizeof query);

    struct old_keepalive_options beating = {.ttl_ms = 5000};
    struct muster_keepalive *keepalive;
    old = edge_of(&beating, sizeof beating);
    if (muster_keepalive_open_sized(opened, old, sizeof beating, &keepalive, &error) != MUSTER_OK)
        fail_msg("keepalive: %s", error.message);
    edge_free(old, sizeof beating);
    assert_int_equal(muster_keepalive_close(keepalive, false, NULL), MUSTER_OK);

    struct old_watch_options watching = {.scope = "room"};
    struct muster_watch *watch;
    struct muster_mirror *mirror;
    old = edge_of(&watching, sizeof watching);
    if (muster_watch_open_sized(opened, old, sizeof watching, &watch, &error) != MUSTER_OK)
        fail_msg("watch: %s", error.message);
    if (muster_mirror_open_sized(opened, old, sizeof watching, &mirror, &error) != MUSTER_OK)
        fail_msg("mirror: %s", error.message);
    edge_free(old, sizeof watching);
    muster_watch_close(watch);
    muster_mirror_close(mirror);
    muster_close(opened);
}

/* As a newer header has them. */
struct new_options {
    struct muster_options known;
    uint64_t added;
};
struct new_query {
    struct muster_query known;
    const char *added;
};

static void a_newer_program_may_not_set_what_is_not_known(void **state) {
    (void)state;
    struct muster_error error;
    struct muster_client *opened;
    struct new_options options = {.known = {.addresses = addresses, .address_count = 1}};
    assert_int_equal(muster_open_sized(&options.known, sizeof options, &opened, &error), MUSTER_OK);
    muster_close(opened);
    options.added = UINT64_C(1) << 63;
    assert_int_equal(muster_open_sized(&options.known, sizeof options, &opened, &error), MUSTER_INVALID_ARGUMENT);
    assert_null(opened);
    if (strstr(error.message, muster_version()) == NULL) fail_msg("the version is not named: %s", error.message);

    fake_node_set_pages(node, 1, 3);
    struct new_query query = {.added = NULL};
    struct muster_users *users = NULL;
    assert_int_equal(muster_list_sized(client, &query.known, sizeof query, &users, &error), MUSTER_OK);
    query.added = "x";
    assert_int_equal(muster_list_sized(client, &query.known, sizeof query, &users, &error), MUSTER_INVALID_ARGUMENT);
    assert_int_equal(users->count, 0);
    muster_users_free(users);
}

static void no_options_are_the_defaults(void **state) {
    (void)state;
    fake_node_set_pages(node, 1, 3);
    struct muster_users *users = NULL;
    struct muster_keepalive *keepalive;
    assert_int_equal(muster_list(client, NULL, &users, NULL), MUSTER_OK);
    assert_int_equal(users->count, 3);
    muster_users_free(users);
    assert_int_equal(muster_keepalive_open(client, NULL, &keepalive, NULL), MUSTER_OK);
    assert_int_equal(muster_keepalive_close(keepalive, false, NULL), MUSTER_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_program_goes_with_this_library),
        cmocka_unit_test(a_newer_program_may_not_set_what_is_not_known),
        cmocka_unit_test(no_options_are_the_defaults),
    };
    return cmocka_run_group_tests_name("client options", tests, set_up, tear_down);
}
