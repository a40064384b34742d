/* `muster` against a real node: output and exit statuses. */
#include "cli.h"
#include "muster/limits.h"
#include "support/port.h"
#include "support/server.h"
#include "support/tempdir.h"
#include "support/wait.h"
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

static struct server server;

static int set_up(void **state) {
    (void)state;
    server = server_start(NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

static int64_t integer(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    if (!json_is_integer(value)) fail_msg("'%s' is no integer", key);
    return json_integer_value(value);
}

static const char *string(const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    return value == NULL ? "(none)" : value;
}

static void touches_and_leaves(void **state) {
    (void)state;
    EXPECT(0, "touched 2, joined 2, ttl 90s\n", "", "touch", "ada", "bob", "--to", server.tcp, "-s", "t");
    EXPECT(0, "touched 2, joined 1, ttl 5m\n", "", "--to", server.ipc, "-s", "t", "touch", "ada", "cyd", "--ttl", "5m");
    EXPECT(0, "left 1 of 2; 1 had no such live session\n", "", "leave", "ada", "nobody", "--to", server.tcp, "-s", "t");
    EXPECT(0, "left 0 of 1\n", "", "leave", "bob", "--linger", "10s", "--to", server.tcp, "-s", "t");
    EXPECT(0, NULL, "", "live", "bob", "cyd", "--to", server.tcp, "-s", "t");
    EXPECT(1, NULL, "", "live", "bob", "ada", "--to", server.tcp, "-s", "t");
}

static void answers_writes_in_json(void **state) {
    (void)state;
    json_t *rows = JSON(0, "touch", "ada", "--ttl", "90s", "--json", "--to", server.tcp, "-s", "j");
    json_t *row = json_array_get(rows, 0);
    assert_int_equal(json_array_size(rows), 1);
    EXPECT_KEYS(row, "joined ttl_ms stamp");
    assert_int_equal(integer(row, "joined"), 1);
    assert_int_equal(integer(row, "ttl_ms"), 90000);
    assert_true(integer(row, "stamp") > 0);
    char stamp[32];
    (void)snprintf(stamp, sizeof stamp, "%lld", (long long)integer(row, "stamp"));
    json_decref(rows);
    EXPECT(0, "{\"left\":1}\n", "", "leave", "ada", "--stamp", stamp, "--json", "--to", server.tcp, "-s", "j");
    EXPECT(0, "{\"forgotten\":1}\n", "", "reset", "--yes", "--json", "--to", server.tcp, "-s", "j");
    EXPECT(0, "forgot 0\n", "", "reset", "--yes", "--to", server.tcp, "-s", "j");
    EXPECT(0, "{\"version\":\"" MUSTER_VERSION "\"}\n", "", "version", "--json");
    EXPECT(0, "muster " MUSTER_VERSION "\n", "", "version");
}

static void reads_users_from_its_input(void **state) {
    (void)state;
    EXPECT_WITH("ada\n\nbob\r\ncyd", 0, "touched 3, joined 3, ttl 90s\n", "", "touch", "-", "--to", server.tcp, "-s",
                "i");
    EXPECT_WITH("ada\nbob\ncyd\n", 0, NULL, "", "live", "-", "--to", server.tcp, "-s", "i");
    EXPECT_WITH("ada\nbob\n", 0, "left 2 of 2\n", "", "leave", "-", "--to", server.tcp, "-s", "i");
    EXPECT_WITH("", 0, "touched 0, joined 0\n", "", "touch", "-", "--to", server.tcp, "-s", "i");
}

/* More than fits one request, by count and by bytes. */
static void sends_many_users_in_batches(void **state) {
    (void)state;
    enum { USERS = 25000, STATE_BYTES = 1000 };
    char *input = NULL, text[STATE_BYTES + 1];
    size_t len;
    FILE *out = open_memstream(&input, &len);
    for (int i = 0; i < USERS; i++) (void)fprintf(out, "user-%d\n", i);
    (void)fclose(out);
    memset(text, 's', STATE_BYTES);
    text[STATE_BYTES] = '\0';
    EXPECT_WITH(input, 0, "touched 25000, joined 25000, ttl 90s\n", "", "touch", "-", "--to", server.tcp, "-s", "many");
    input[strlen("user-0\n") * 10 + strlen("user-10\n") * 3000] = '\0';
    EXPECT_WITH(input, 0, NULL, "", "touch", "-", "--to", server.tcp, "-s", "many", "--state", text);
    json_t *rows = JSON(0, "list", "--json", "--to", server.tcp, "-s", "many");
    assert_int_equal(json_array_size(rows), USERS);
    json_decref(rows);
    rows = JSON(0, "list", "--json", "--limit", "2345", "--to", server.tcp, "-s", "many");
    assert_int_equal(json_array_size(rows), 2345);
    json_decref(rows);
    free(input);
}

static void shows_who_is_live(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "ada", "--status", "away", "--to", server.tcp, "-s", "l");
    json_t *rows = JSON(1, "live", "ada", "nobody", "--json", "--to", server.tcp, "-s", "l");
    assert_int_equal(json_array_size(rows), 2);
    json_t *ada = json_array_get(rows, 0), *nobody = json_array_get(rows, 1);
    EXPECT_KEYS(ada, "scope user live status last_seen_ms sessions");
    EXPECT_KEYS(nobody, "scope user live sessions");
    assert_string_equal(string(ada, "scope"), "l");
    assert_string_equal(string(ada, "user"), "ada");
    assert_string_equal(string(ada, "status"), "away");
    assert_true(json_is_true(json_object_get(ada, "live")) && json_is_false(json_object_get(nobody, "live")));
    assert_int_equal(integer(ada, "sessions"), 1);
    assert_true(integer(ada, "last_seen_ms") > INT64_C(1600000000000));
    json_decref(rows);
    EXPECT(1, "USER    LIVE  STATUS  LAST SEEN  SESSIONS\nnobody  no    -       -                 0\n", "", "live",
           "nobody", "--to", server.tcp, "-s", "l");
}

static void shows_sessions(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "ada", "--session", "tab", "--status", "busy", "--state", "x\ny", "--to", server.tcp,
           "-s", "se");
    EXPECT(0, NULL, "", "touch", "ada", "--session", "phone", "--ttl", "2m", "--to", server.tcp, "-s", "se");
    json_t *rows = JSON(0, "list", "--sessions", "--json", "--to", server.tcp, "-s", "se");
    json_t *row = json_array_get(rows, 0), *list = json_object_get(row, "session_list");
    EXPECT_KEYS(row, "scope user live status last_seen_ms sessions session_list");
    assert_int_equal(integer(row, "sessions"), 2);
    assert_string_equal(string(row, "status"), "busy");
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *session = json_array_get(list, i);
        const bool is_tab = strcmp(string(session, "session"), "tab") == 0;
        EXPECT_KEYS(session,
                    is_tab ? "session status last_seen_ms ttl_ms state" : "session status last_seen_ms ttl_ms");
        assert_string_equal(string(session, "status"), is_tab ? "busy" : "online");
        assert_string_equal(string(session, "state"), is_tab ? "x\ny" : "(none)");
        assert_int_equal(integer(session, "ttl_ms"), is_tab ? 90000 : 120000);
    }
    json_decref(rows);
    struct process_result result = CLI(NULL, "live", "ada", "nobody", "--sessions", "--to", server.tcp, "-s", "se");
    assert_non_null(strstr(result.output, "x\\ny"));
    assert_non_null(strstr(result.output, "phone"));
    assert_int_equal(result.how.status, 1);
    process_result_free(&result);
    EXPECT(0, "left 0 of 1\n", "", "leave", "ada", "--session", "tab", "--to", server.tcp, "-s", "se");
    EXPECT(0, "left 1 of 1\n", "", "leave", "ada", "--all-sessions", "--to", server.tcp, "-s", "se");
}

/* The row of a user in a scope, which there is once. */
static const json_t *place_of(const json_t *rows, const char *user, const char *scope) {
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(string(row, "user"), user) != 0 || strcmp(string(row, "scope"), scope) != 0) continue;
        if (found != NULL) fail_msg("%s is twice in %s", user, scope);
        found = row;
    }
    if (found == NULL) fail_msg("%s is not in %s", user, scope);
    return found;
}

static void shows_where_users_are(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "ada", "--session", "tab", "--to", server.tcp, "-s", "wh:1");
    EXPECT(0, NULL, "", "touch", "ada", "bob", "--status", "busy", "--to", server.tcp, "-s", "wh:2");
    EXPECT(0, NULL, "", "touch", "ada", "--to", server.tcp, "-s", "other");
    EXPECT(0, NULL, "", "touch", "cyd", "--to", server.tcp, "-s", "wh:1");
    EXPECT(0, NULL, "", "leave", "cyd", "--to", server.tcp, "-s", "wh:1");
    json_t *rows = JSON(0, "where", "ada", "bob", "cyd", "--prefix", "wh:", "--json", "--to", server.tcp);
    assert_int_equal(json_array_size(rows), 3);
    EXPECT_KEYS(json_array_get(rows, 0), "user scope live status last_seen_ms sessions");
    assert_string_equal(string(place_of(rows, "ada", "wh:1"), "status"), "online");
    assert_string_equal(string(place_of(rows, "ada", "wh:2"), "status"), "busy");
    assert_true(json_is_true(json_object_get(place_of(rows, "bob", "wh:2"), "live")));
    json_decref(rows);
    rows = JSON(0, "where", "ada", "--json", "--sessions", "--to", server.tcp, "--prefix", "wh:1");
    const json_t *session = json_array_get(json_object_get(json_array_get(rows, 0), "session_list"), 0);
    assert_string_equal(string(session, "session"), "tab");
    json_decref(rows);
    struct process_result result = CLI("ada\nbob\n", "where", "-", "--to", server.tcp);
    if (strncmp(result.output, "USER  SCOPE  LIVE  STATUS", 25) != 0 ||
        strstr(result.output, "ada   other  yes   online") == NULL)
        fail_msg("the table: %s", result.output);
    process_result_free(&result);
    EXPECT(0, "USER  SCOPE  LIVE  STATUS  LAST SEEN  SESSIONS\n", "", "where", "nobody", "--to", server.tcp);
    EXPECT(2, "", "no user was given", "where", "--to", server.tcp);
    EXPECT(2, "", "--prefix chooses scopes", "where", "ada", "-s", "x", "--to", server.tcp);
}

static void lists_by_status_and_by_time(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "a1", "a2", "--status", "away", "--to", server.tcp, "-s", "li");
    EXPECT(0, NULL, "", "touch", "b1", "--status", "busy", "--to", server.tcp, "-s", "li");
    EXPECT(0, NULL, "", "touch", "o1", "--to", server.tcp, "-s", "li");
    json_t *rows = JSON(0, "list", "--status", "away,busy", "--json", "--to", server.tcp, "-s", "li");
    assert_int_equal(json_array_size(rows), 3);
    json_decref(rows);
    rows = JSON(0, "list", "--recent", "--limit", "2", "--json", "--to", server.tcp, "-s", "li");
    assert_int_equal(json_array_size(rows), 2);
    assert_true(integer(json_array_get(rows, 0), "last_seen_ms") >= integer(json_array_get(rows, 1), "last_seen_ms"));
    json_decref(rows);
    EXPECT(0, "USER  LIVE  STATUS  LAST SEEN  SESSIONS\n", "", "list", "--to", server.tcp, "-s", "nobody was here");
    EXPECT(0, "", "", "list", "--json", "--to", server.tcp, "-s", "nobody was here");
}

static void counts_users(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "ada", "bob", "--status", "away", "--to", server.tcp, "-s", "c1");
    EXPECT(0, NULL, "", "touch", "cyd", "--to", server.tcp, "-s", "c1");
    EXPECT(0, NULL, "", "leave", "bob", "--to", server.tcp, "-s", "c1");
    EXPECT(0,
           "{\"scope\":\"c1\",\"live\":2,\"online\":1,\"away\":1,\"busy\":0,\"sessions\":2,\"windows\":{\"5m\":3,"
           "\"60m\":3,"
           "\"1h\":3}}\n",
           "", "counts", "--window", "5m,60m", "--window", "1h", "--json", "--to", server.tcp, "-s", "c1");
    EXPECT(0, "{\"scope\":\"c1\",\"live\":2,\"online\":1,\"away\":1,\"busy\":0,\"sessions\":2,\"windows\":{}}\n", "",
           "counts", "--json", "--to", server.tcp, "-s", "c1");
    EXPECT(0,
           "SCOPE  LIVE  ONLINE  AWAY  BUSY  SESSIONS  24h\nc2        0       0     0     0         0    0\n"
           "c1        2       1     1     0         2    3\n",
           "", "counts", "--scopes", "c2,c1", "--window", "24h", "--to", server.tcp);
}

static void lists_scopes(void **state) {
    (void)state;
    struct server other = server_start(NULL);
    EXPECT(0, "SCOPE  LIVE\n", "", "scopes", "--to", other.tcp);
    EXPECT(0, "", "", "scopes", "--to", other.tcp, "--json");
    EXPECT(0, NULL, "", "touch", "ada", "bob", "--to", other.tcp, "-s", "room\n1");
    EXPECT(0, "SCOPE    LIVE\nroom\\n1     2\n", "", "scopes", "--to", other.tcp);
    EXPECT(0, "{\"scope\":\"room\\n1\",\"live\":2}\n", "", "--json", "scopes", "--to", other.tcp);
    server_end(&other);
}

static void refuses_a_wrong_command_line(void **state) {
    (void)state;
    EXPECT(2, "", "no command was given", "--json");
    EXPECT(2, "", "unknown command 'nonsense'", "nonsense");
    EXPECT(2, "", "did you mean 'touch'?", "tuch");
    EXPECT(2, "", "did you mean 'live'?", "lvie");
    EXPECT(2, "", "--ttl: 30h is out of range, 1s to 1d", "touch", "ada", "--ttl", "30h");
    EXPECT(2, "", "--ttl: 999ms is out of range", "touch", "ada", "--ttl", "999ms");
    EXPECT(2, "", "--linger: 25h is out of range", "leave", "ada", "--linger", "25h");
    EXPECT(2, "", "unrecognized option", "live", "--nonsense");
    EXPECT(2, "", "no user was given", "touch");
    EXPECT(2, "", "no user was given", "live", "--json");
    EXPECT(2, "", "--ttl: '5 parsecs'", "touch", "ada", "--ttl", "5 parsecs");
    EXPECT(2, "", "--status: 'asleep'", "touch", "ada", "--status", "asleep");
    EXPECT(2, "", "--linger", "leave", "ada", "--linger", "x");
    EXPECT(2, "", "--all-sessions", "leave", "ada", "--all-sessions", "--session", "s");
    EXPECT(2, "", "--limit: '0'", "list", "--limit", "0");
    EXPECT(2, "", "at most 10000", "list", "--recent", "--limit", "10001");
    EXPECT(2, "", "--window: '5'", "counts", "--window", "1h,5");
    EXPECT(2, "", "at most 16 windows", "counts", "--window",
           "1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,13s,14s,15s,16s,17s");
    EXPECT(2, "", "add --yes", "reset");
    EXPECT(2, "", "unexpected argument", "reset", "--yes", "room");
    EXPECT(2, "", "unexpected argument", "version", "1");
    EXPECT(2, "", "no log file was given", "replay");
    EXPECT(2, "", "unexpected argument", "nodes", "all");
    EXPECT(2, "", "no kind of key was given", "keygen");
    EXPECT(2, "", "unknown kind of key 'house'", "keygen", "house", "/nonexistent/key");
    EXPECT(2, "", "no file was given", "keygen", "cluster");
    EXPECT(2, "", "unexpected argument", "keygen", "cluster", "/nonexistent/key", "more");
    EXPECT(2, "", "--call: 'sing'", "bench", "--call", "sing");
    EXPECT(2, "", "addresses[0]: \"127.0.0.1\": the port is missing", "live", "ada", "--to", "127.0.0.1");
    EXPECT(2, "", "addresses[0]: \"ws://a:1\": it must begin with tcp://, tls+tcp:// or ipc://", "live", "ada", "--to",
           "ws://a:1");
    EXPECT(2, "", "tls_ca_file: /nowhere/ca.pem: No such file or directory", "live", "ada", "--to", "tls+tcp://a:1",
           "--tls-ca", "/nowhere/ca.pem");
    EXPECT(2, "", "tls_cert_file and tls_key_file are given together", "live", "ada", "--to", "tls+tcp://a:1",
           "--tls-cert", "/nowhere/cert.pem");
    EXPECT(2, "", "--timeout", "live", "ada", "--timeout", "1h");
}

/* A node without peers knows itself. */
static void shows_the_nodes(void **state) {
    (void)state;
    struct server alone = server_start((const char *const[]){"--name", "solo", NULL});
    EXPECT(0, NULL, "", "touch", "ada", "bob", "--to", alone.tcp);
    EXPECT(0,
           "NAME  ADDRESS  REGION  STATE         MEMBERS  LAG  DELAY  CLOCK  SILENT  VERSION\n"
           "solo  -        -       alive (self)        2    0     0s     0s      0s  " MUSTER_VERSION "\n",
           "", "nodes", "--to", alone.tcp);
    json_t *rows = JSON(0, "nodes", "--json", "--to", alone.ipc);
    const json_t *row = json_array_get(rows, 0);
    assert_int_equal(json_array_size(rows), 1);
    EXPECT_KEYS(row, "name state self members lag delay_ms clock_ms silent_ms version refused");
    assert_string_equal(string(row, "name"), "solo");
    assert_string_equal(string(row, "state"), "alive");
    assert_true(json_is_true(json_object_get(row, "self")));
    assert_int_equal(integer(row, "members"), 2);
    json_decref(rows);
    server_end(&alone);
}

static void shows_why_a_peer_does_not_answer(void **state) {
    enum { TROUBLE_MS = 20000 };
    (void)state;
    char peer[32];
    (void)snprintf(peer, sizeof peer, "127.0.0.1:%u", port_free());
    struct server node = server_start((const char *const[]){"--name", "n1", "--peer", peer, "--gossip",
                                                            "tcp://127.0.0.1:0", "--sync", "tcp://127.0.0.1:0", NULL});
    if (!process_await_line(node.process, PROCESS_ERRORS, "event=peer_trouble", TROUBLE_MS, NULL))
        fail_msg("the log does not say it");
    json_t *rows = JSON(0, "nodes", "--json", "--to", node.ipc);
    const json_t *self = json_array_get(rows, 0), *row = json_array_get(rows, 1);
    assert_int_equal(json_array_size(rows), 2);
    assert_null(json_object_get(self, "trouble"));
    assert_string_equal(string(row, "trouble"), "connection refused: nothing listens there");
    assert_null(json_object_get(row, "refused"));
    json_decref(rows);
    struct process_result result = CLI(NULL, "nodes", "--to", node.ipc);
    if (strstr(result.output, "  TROUBLE\n") == NULL || strstr(result.output, "  connection refused: ") == NULL)
        fail_msg("no trouble in the table:\n%s", result.output);
    process_result_free(&result);
    server_end(&node);
}

static void makes_a_cluster_key(void **state) {
    (void)state;
    struct tempdir dir = tempdir_make(), key = tempdir_path(&dir, "cluster.key"), other = tempdir_path(&dir, "other");
    struct stat file;
    mode_t mask = umask(0);
    struct process_result made = CLI(NULL, "keygen", "cluster", key.path);
    umask(mask);
    if (made.how.status != 0 || strstr(made.output, "--cluster-key-file") == NULL ||
        strstr(made.output, key.path) == NULL)
        fail_msg("keygen: status %d, '%s' '%s'", made.how.status, made.output, made.errors);
    process_result_free(&made);
    if (stat(key.path, &file) != 0 || (file.st_mode & 07777) != 0600)
        fail_msg("the key's mode is %04o, expected 0600", (unsigned)file.st_mode & 07777);

    char *text = tempdir_read(key.path, NULL);
    if (text == NULL || strstr(text, "primary ") == NULL) fail_msg("no primary key in '%s'", text);
    EXPECT(1, "", "not overwritten", "keygen", "cluster", key.path);
    char *again = tempdir_read(key.path, NULL);
    assert_string_equal(text, again);
    free(again);

    json_t *rows = JSON(0, "keygen", "cluster", other.path, "--json");
    EXPECT_KEYS(json_array_get(rows, 0), "kind path");
    assert_string_equal(string(json_array_get(rows, 0), "path"), other.path);
    json_decref(rows);
    char *second = tempdir_read(other.path, NULL);
    if (strcmp(text, second) == 0) fail_msg("two keys are the same");
    EXPECT(1, "", "No such file", "keygen", "cluster", "/nonexistent/folder/key");
    free(text);
    free(second);
    tempdir_remove(&dir);
}

static void helps(void **state) {
    (void)state;
    static const char *const commands[] = {"touch", "leave", "live", "list",   "counts", "scopes", "nodes",
                                           "reset", "watch", "top",  "replay", "bench",  "keygen", "version"};
    struct process_result all = CLI(NULL, "--help");
    assert_int_equal(all.how.status, 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct process_result result = CLI(NULL, commands[i], "--help");
        if (result.how.status != 0 || strstr(result.output, "--to=URL") == NULL ||
            strstr(result.output, commands[i]) == NULL)
            fail_msg("muster %s --help: %s", commands[i], result.output);
        if (strstr(all.output, commands[i]) == NULL) fail_msg("muster --help does not name %s", commands[i]);
        process_result_free(&result);
    }
    process_result_free(&all);
}

static void says_when_no_node_answers(void **state) {
    (void)state;
    char nobody[64];
    (void)snprintf(nobody, sizeof nobody, "tcp://127.0.0.1:%u", port_free());
    EXPECT(3, "", "no node answers", "live", "ada", "--to", nobody);
    EXPECT(3, "", "no node answers", "--json", "touch", "ada", "--to", nobody);
    EXPECT(3, "", "no node answers", "counts", "--to", "ipc:///nonexistent/socket");
    EXPECT(3, "", "cannot reach", "bench", "--to", nobody);
    EXPECT(0, NULL, "", "scopes", "--to", nobody, "--to", server.tcp);
    const char *const environment[] = {"MUSTER_TO=", NULL};
    char variable[700];
    (void)snprintf(variable, sizeof variable, "MUSTER_TO=%s,%s", nobody, server.ipc);
    const char *const argv[] = {MUSTER_PATH, "scopes", NULL};
    const struct process_options options = {.environment = (const char *const[]){variable, environment[1]}};
    struct process_result result = process_run(argv, &options, NULL, CLI_PATIENCE_MS);
    assert_int_equal(result.how.status, 0);
    process_result_free(&result);
}

static void says_why_a_call_is_refused(void **state) {
    (void)state;
    char long_id[MUSTER_ID_BYTES_MAX + 2] = "";
    memset(long_id, 'x', MUSTER_ID_BYTES_MAX + 1);
    EXPECT(4, "", "user", "touch", long_id, "--to", server.tcp);
    EXPECT(4, "", "128", "live", long_id, "--to", server.tcp);
    EXPECT(4, "", "user", "touch", "", "--to", server.tcp);
    EXPECT(4, "", "UTF-8", "touch", "\xff", "--to", server.tcp);
    EXPECT(4, "", "windows_ms", "counts", "--window", "25h", "--to", server.tcp);
    EXPECT(4, "", "scope", "list", "-s", long_id, "--to", server.tcp);
    EXPECT(4, "", "scope", "list", "--recent", "-s", long_id, "--to", server.tcp);
    EXPECT_WITH("ada\nbob\n\xff\n", 4, "", "lines 1 to 3", "touch", "-", "--to", server.tcp);
    EXPECT(4, "", "windows_ms", "bench", "--call", "counts", "--window", "25h", "--to", server.tcp);
    server_expect_running(&server, "refusals");
}

static void refuses_nul_in_a_line(void **state) {
    (void)state;
    const char *const argv[] = {MUSTER_PATH, "touch", "-", "--to", server.tcp, NULL};
    const struct process_options options = {.keep_input = true};
    struct process *process = process_start(argv, &options);
    struct process_exit how;
    assert_true(process_write(process, "ada\na\0b\n", 8));
    process_close_input(process);
    assert_true(process_wait(process, CLI_PATIENCE_MS, &how));
    assert_int_equal(how.status, 4);
    assert_true(process_await_line(process, PROCESS_ERRORS, "line 2: user contains NUL", CLI_PATIENCE_MS, NULL));
    process_free(process);
}

static void tells_when_its_output_is_full(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int status;
    } lines[] = {{"version", 1},      {"--version", 1}, {"--help", 1},          {"help touch", 1},
                 {"touch --help", 1}, {"-h", 1},        {"live ada --to $1", 5} /* 1 is an answer */};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char script[128];
        snprintf(script, sizeof script, "exec \"$0\" %s >/dev/full", lines[i].line);
        const char *const argv[] = {"sh", "-c", script, MUSTER_PATH, server.tcp, NULL};
        struct process_result result = process_run(argv, NULL, NULL, CLI_PATIENCE_MS);
        if (result.how.status != lines[i].status || strstr(result.errors, "cannot write") == NULL)
            fail_msg("%s: status %d, '%s'", lines[i].line, result.how.status, result.errors);
        process_result_free(&result);
    }
}

static void says_which_sessions_were_not_there(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "lea", "--session", "tab", "-s", "absent", "--to", server.tcp);
    EXPECT(0, "left 0 of 1; 1 had no such live session; 1 is still live in other sessions\n", "", "leave", "lea", "-s",
           "absent", "--to", server.tcp);
    json_t *rows = JSON(0, "leave", "lea", "nobody", "--json", "-s", "absent", "--to", server.tcp);
    EXPECT_KEYS(json_array_get(rows, 0), "left unknown still_live");
    assert_int_equal(integer(json_array_get(rows, 0), "unknown"), 2);
    assert_int_equal(integer(json_array_get(rows, 0), "still_live"), 1);
    json_decref(rows);
    EXPECT(0, "left 1 of 1\n", "", "leave", "lea", "--session", "tab", "-s", "absent", "--to", server.tcp);
}

static void expect_status(const char *status) {
    json_t *rows = JSON(0, "live", "sue", "--json", "-s", "status", "--to", server.tcp);
    assert_string_equal(string(json_array_get(rows, 0), "status"), status);
    json_decref(rows);
}

static void says_how_many_sessions_were_displaced(void **state) {
    (void)state;
    char session[16];
    for (int i = 0; i <= MUSTER_SESSIONS_MAX; i++) {
        snprintf(session, sizeof session, "tab-%d", i);
        const char *printed = i == 0                     ? "touched 1, joined 1, ttl 90s\n"
                              : i == MUSTER_SESSIONS_MAX ? "touched 1, joined 0, displaced 1, ttl 90s\n"
                                                         : "touched 1, joined 0, ttl 90s\n";
        EXPECT(0, printed, "", "touch", "dis", "--session", session, "-s", "displaced", "--to", server.tcp);
    }
    json_t *rows = JSON(0, "touch", "dis", "--session", "one-more", "--json", "-s", "displaced", "--to", server.tcp);
    EXPECT_KEYS(json_array_get(rows, 0), "joined displaced ttl_ms stamp");
    json_decref(rows);
}

static void sets_a_status_above_the_sessions(void **state) {
    (void)state;
    EXPECT(0, NULL, "", "touch", "sue", "-s", "status", "--to", server.tcp);
    EXPECT(0, "busy for 1h\n", "", "status", "sue", "busy", "--ttl", "1h", "-s", "status", "--to", server.tcp);
    EXPECT(0, NULL, "", "touch", "sue", "--status", "away", "-s", "status", "--to", server.tcp);
    expect_status("busy");
    EXPECT(0, "cleared\n", "", "status", "sue", "auto", "-s", "status", "--to", server.tcp);
    expect_status("away");
    json_t *rows = JSON(0, "status", "sue", "online", "--json", "-s", "status", "--to", server.tcp);
    EXPECT_KEYS(json_array_get(rows, 0), "stamp");
    json_decref(rows);
    expect_status("online");
    EXPECT(2, "", "none of online, away, busy, auto", "status", "sue", "asleep", "--to", server.tcp);
    EXPECT(2, "", "a user and a status are needed", "status", "sue", "--to", server.tcp);
    EXPECT(2, "", "unexpected argument", "status", "sue", "busy", "bob", "--to", server.tcp);
    EXPECT(2, "", "--ttl: 31d is out of range, 1s to 30d", "status", "sue", "busy", "--ttl", "31d");
    EXPECT(2, "", "'auto' clears", "status", "sue", "auto", "--ttl", "1h", "--to", server.tcp);
}

static void helps_in_the_usual_ways(void **state) {
    (void)state;
    static const char *const lines[][3] = {{"help", "touch"}, {"touch", "-h"}, {"touch", "--help"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct process_result result = CLI(NULL, lines[i][0], lines[i][1]);
        if (result.how.status != 0 || strstr(result.output, "Report users as present") == NULL)
            fail_msg("%s %s: status %d, '%s'", lines[i][0], lines[i][1], result.how.status, result.output);
        process_result_free(&result);
    }
    struct process_result result = CLI(NULL, "help");
    if (result.how.status != 0 || strstr(result.output, "Commands:") == NULL) fail_msg("help: '%s'", result.output);
    process_result_free(&result);
    EXPECT(2, "", "unknown command 'nonsense'", "help", "nonsense");
}

static void pings_each_address(void **state) {
    (void)state;
    char port[16], nobody[64];
    snprintf(port, sizeof port, "%u", (unsigned)port_free());
    snprintf(nobody, sizeof nobody, "tcp://127.0.0.1:%s", port);
    char both[1300];
    snprintf(both, sizeof both, "%s,%s", server.tcp, server.ipc);
    json_t *rows = JSON(0, "ping", "--json", "--count", "3", "--to", both);
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        EXPECT_KEYS(row, "address state time_us");
        assert_string_equal(string(row, "address"), i == 0 ? server.tcp : server.ipc);
        assert_string_equal(string(row, "state"), "alive");
    }
    json_decref(rows);
    EXPECT(3, NULL, nobody, "ping", "--to", server.tcp, "--to", nobody);
}

/* `-` may stand among names, and what a slow writer has written is sent when it pauses. */
static void reads_names_where_a_dash_stands(void **state) {
    (void)state;
    EXPECT_WITH("dash-b\ndash-c\n", 0, "touched 4, joined 4, ttl 90s\n", "", "touch", "dash-a", "-", "dash-d", "-s",
                "dash", "--to", server.tcp);
    EXPECT(0, NULL, "", "live", "dash-a", "dash-b", "dash-c", "dash-d", "-s", "dash", "--to", server.tcp);
}

static bool is_slow_live(void *context) {
    (void)context;
    struct process_result result = CLI(NULL, "live", "slow-a", "-s", "slow", "--to", server.tcp);
    const bool is_live = result.how.status == 0;
    process_result_free(&result);
    return is_live;
}

static void sends_what_a_slow_writer_wrote(void **state) {
    (void)state;
    const char *const argv[] = {MUSTER_PATH, "touch", "-", "-s", "slow", "--to", server.tcp, NULL};
    const struct process_options options = {.keep_input = true};
    struct process *process = process_start(argv, &options);
    struct process_exit how;
    assert_true(process_write(process, "slow-a\nslow", 11)); /* the second line goes on later */
    if (!wait_until(is_slow_live, NULL, CLI_PATIENCE_MS)) fail_msg("slow-a waits for the end of the input");
    assert_true(process_write(process, "-b\n", 3));
    process_close_input(process);
    assert_true(process_wait(process, CLI_PATIENCE_MS, &how));
    assert_int_equal(how.status, 0);
    process_free(process);
    EXPECT(0, NULL, "", "live", "slow-a", "slow-b", "-s", "slow", "--to", server.tcp);
    EXPECT(1, NULL, "", "live", "slow", "-s", "slow", "--to", server.tcp);
}

#ifndef UNDER_SANITIZER /* a sanitizer's runtime starts threads */
/* The limit of threads does not apply to root, so another user runs the program, who must be able to read it. */
static void says_so_where_threads_are_short(void **state) {
    (void)state;
    if (geteuid() != 0) skip();
    struct tempdir dir = tempdir_make();
    char user[32], limit[32], library[TEMPDIR_PATH_BYTES + 32], program[TEMPDIR_PATH_BYTES + 32];
    snprintf(program, sizeof program, "%s/muster", dir.path);
    snprintf(library, sizeof library, "LD_LIBRARY_PATH=%s", dir.path);
    snprintf(user, sizeof user, "--reuid=%d", 55000 + (int)(getpid() % 1000));
    const char *copy[] = {"sh",
                          "-c",
                          "cp \"$0\" \"$1\"/libmuster.so.* \"$2\" && chmod -R a+rX \"$2\"",
                          MUSTER_PATH,
                          MUSTER_LIBRARY_DIR,
                          dir.path,
                          NULL};
    struct process_result copied = process_run(copy, NULL, NULL, CLI_PATIENCE_MS);
    if (copied.how.status != 0) fail_msg("no copy: %s", copied.errors);
    process_result_free(&copied);
    bool cannot = false, can = false;
    for (unsigned threads = 1; threads <= 64; threads += threads < 24 ? 1 : 40) {
        snprintf(limit, sizeof limit, "--nproc=%u", threads);
        const char *argv[] = {"setpriv", user,  "--clear-groups", "prlimit",           limit, "env", library, program,
                              "live",    "ada", "--to",           "tcp://127.0.0.1:1", NULL};
        struct process_result result = process_run(argv, NULL, NULL, CLI_PATIENCE_MS);
        if (result.timed_out || result.how.is_signal || (result.how.status != 3 && result.how.status != 4))
            fail_msg("%s: %s %d: %s", limit, result.how.is_signal ? "signal" : "status", result.how.status,
                     result.errors);
        if (result.how.status == 4 && strstr(result.errors, "threads") == NULL) fail_msg("why? %s", result.errors);
        cannot |= result.how.status == 4;
        can |= result.how.status == 3;
        process_result_free(&result);
    }
    if (!can || !cannot) fail_msg("the limits are not what matters");
    tempdir_remove(&dir);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifndef UNDER_SANITIZER
        cmocka_unit_test(says_so_where_threads_are_short),
#endif
        cmocka_unit_test(touches_and_leaves),
        cmocka_unit_test(answers_writes_in_json),
        cmocka_unit_test(reads_users_from_its_input),
        cmocka_unit_test(sends_many_users_in_batches),
        cmocka_unit_test(shows_who_is_live),
        cmocka_unit_test(shows_sessions),
        cmocka_unit_test(shows_where_users_are),
        cmocka_unit_test(lists_by_status_and_by_time),
        cmocka_unit_test(counts_users),
        cmocka_unit_test(lists_scopes),
        cmocka_unit_test(shows_the_nodes),
        cmocka_unit_test(shows_why_a_peer_does_not_answer),
        cmocka_unit_test(makes_a_cluster_key),
        cmocka_unit_test(refuses_a_wrong_command_line),
        cmocka_unit_test(helps),
        cmocka_unit_test(says_when_no_node_answers),
        cmocka_unit_test(says_why_a_call_is_refused),
        cmocka_unit_test(refuses_nul_in_a_line),
        cmocka_unit_test(tells_when_its_output_is_full),
        cmocka_unit_test(says_which_sessions_were_not_there),
        cmocka_unit_test(says_how_many_sessions_were_displaced),
        cmocka_unit_test(sets_a_status_above_the_sessions),
        cmocka_unit_test(helps_in_the_usual_ways),
        cmocka_unit_test(pings_each_address),
        cmocka_unit_test(reads_names_where_a_dash_stands),
        cmocka_unit_test(sends_what_a_slow_writer_wrote),
    };
    return cmocka_run_group_tests_name("cli.commands", tests, set_up, tear_down);
}
