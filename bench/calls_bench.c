/* The calls in process, without a door: what a request costs from its bytes to those of its answer.
 * Prints one JSON object per measure. Usage: calls_bench [SCOPES]
 *
 * refresh   requests of 1000 beats of known users, whole (status, state of 32 bytes) and such that only say "still
 *           here", in turns: bytes of a request, and nanoseconds of a beat
 * where     one user, then a thousand, in so many scopes of one user each, in pages */
#include "load/histogram.h"
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "node/node.h"
#include "node/tick.h"
#include "rpc/rpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH = 1000,
    USERS = 200000,
    ROUNDS = 2000,
    STATE_BYTES = 32,
    NAME_BYTES = 16,
    BODY_BYTES = 256 * 1024,
    PLACES = 10, /* scopes in which the users of `where` are */
    WALKS = 20,
};

struct bench {
    struct node *node;
    struct rpc *rpc;
    struct worker *worker;
    struct instant now;
    uint64_t random;
    char users[BATCH][NAME_BYTES];
};

static void die(const char *what) {
    fprintf(stderr, "calls_bench: %s\n", what);
    exit(1);
}

/* CPU time of this thread, which other processes do not lengthen. */
static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void bench_open(struct bench *bench) {
    const struct node_config config = {.hash_key = "sixteen bytes..",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = MUSTER_MEMBERS_DEFAULT,
                                       .bytes_max = MUSTER_ROLL_BYTES_DEFAULT};
    *bench = (struct bench){.now = {UINT64_C(1) << 40, UINT64_C(1700000000000)}, .random = 7};
    if ((bench->node = node_new(&config, bench->now)) == NULL) die("no node");
    if ((bench->rpc = rpc_new(bench->node, 0)) == NULL || (bench->worker = worker_new()) == NULL) die("no calls");
}

static void bench_close(struct bench *bench) {
    worker_free(bench->worker);
    rpc_free(bench->rpc);
    node_free(bench->node);
}

/* The CPU time that the call took, in ns. */
static uint64_t ask(struct bench *bench, enum method method, const uint8_t *body, size_t len,
                    struct response *response) {
    const struct request request = {.method = method, .body = {(const char *)body, (uint32_t)len}};
    uint64_t from = clock_ns();
    if (!rpc_answer(bench->rpc, bench->worker, &request, bench->now, NULL, response)) die("parked");
    uint64_t took = clock_ns() - from;
    if (response->code != MUSTER_OK) die("a call was refused");
    return took;
}

static ProtobufCBinaryData bytes_of(const char *text) {
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* ---- refresh ---- */

/* A Touch of BATCH beats of users from `first` on, or, where that is USERS, of random ones. */
static size_t write_touch(struct bench *bench, uint64_t first, bool is_refresh, uint8_t out[BODY_BYTES]) {
    static Muster__V1__Beat beats[BATCH];
    static Muster__V1__Beat *list[BATCH];
    static char state[STATE_BYTES + 1] = "0123456789abcdef0123456789abcdef";
    Muster__V1__TouchRequest request = MUSTER__V1__TOUCH_REQUEST__INIT;
    for (size_t i = 0; i < BATCH; i++) {
        bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t user = first < USERS ? first + i : (bench->random >> 33) % USERS;
        snprintf(bench->users[i], NAME_BYTES, "user%06" PRIu64, user);
        muster__v1__beat__init(&beats[i]);
        beats[i].user = bytes_of(bench->users[i]);
        beats[i].refresh = is_refresh;
        if (!is_refresh) {
            beats[i].status = MUSTER__V1__STATUS__STATUS_BUSY;
            beats[i].state = bytes_of(state);
        }
        list[i] = &beats[i];
    }
    request.scope = bytes_of("room:7");
    request.n_beats = BATCH;
    request.beats = list;
    if (muster__v1__touch_request__get_packed_size(&request) > BODY_BYTES) die("a large request");
    return muster__v1__touch_request__pack(&request, out);
}

static void measure_refresh(void) {
    static struct histogram times[2];
    static uint8_t body[BODY_BYTES];
    struct bench bench;
    struct response response;
    size_t len[2] = {0};
    bench_open(&bench);
    for (uint64_t first = 0; first < USERS; first += BATCH)
        ask(&bench, METHOD_TOUCH, body, write_touch(&bench, first, false, body), &response);
    for (int round = 0; round < 2 * ROUNDS; round++) {
        bool is_refresh = round % 2 == 1;
        bench.now.now_ms++;
        if (round % 100 == 0) node_tick(bench.node, bench.now);
        len[is_refresh] = write_touch(&bench, USERS, is_refresh, body);
        histogram_record(&times[is_refresh], ask(&bench, METHOD_TOUCH, body, len[is_refresh], &response));
    }
    double ns[2];
    for (int i = 0; i < 2; i++) ns[i] = (double)histogram_percentile(&times[i], 50) / BATCH;
    printf("{\"measure\":\"refresh\",\"beats\":%d,\"whole_bytes\":%zu,\"refresh_bytes\":%zu,\"bytes_ratio\":%.2f,"
           "\"whole_ns_each\":%.1f,\"refresh_ns_each\":%.1f,\"throughput_ratio\":%.2f}\n",
           BATCH, len[0], len[1], (double)len[1] / (double)len[0], ns[0], ns[1], ns[0] / ns[1]);
    bench_close(&bench);
}

/* ---- where ---- */

static void fill_scopes(struct bench *bench, unsigned scopes, unsigned asked, uint8_t *body) {
    struct response response;
    for (unsigned i = 0; i < scopes; i++) {
        char scope[NAME_BYTES], user[NAME_BYTES];
        snprintf(scope, sizeof scope, "room:%u", i);
        snprintf(user, sizeof user, "user%06u", i % (scopes / PLACES) < asked ? i % (scopes / PLACES) : 900000 + i);
        Muster__V1__TouchRequest request = MUSTER__V1__TOUCH_REQUEST__INIT;
        Muster__V1__Beat beat = MUSTER__V1__BEAT__INIT, *list[] = {&beat};
        request.scope = bytes_of(scope);
        beat.user = bytes_of(user);
        request.n_beats = 1;
        request.beats = list;
        ask(bench, METHOD_TOUCH, body, muster__v1__touch_request__pack(&request, body), &response);
    }
}

struct walked {
    uint64_t ns, longest_ns;
    size_t places, pages;
};

static struct walked walk(struct bench *bench, unsigned asked, uint8_t *body) {
    struct walked walked = {0};
    ProtobufCBinaryData users[BATCH];
    char token[64] = "";
    for (unsigned i = 0; i < asked; i++) {
        snprintf(bench->users[i], NAME_BYTES, "user%06u", i);
        users[i] = bytes_of(bench->users[i]);
    }
    do {
        struct response response;
        Muster__V1__WhereRequest request = MUSTER__V1__WHERE_REQUEST__INIT;
        request.n_users = asked;
        request.users = users;
        request.page_token = bytes_of(token);
        uint64_t took = ask(bench, METHOD_WHERE, body, muster__v1__where_request__pack(&request, body), &response);
        walked.ns += took;
        if (took > walked.longest_ns) walked.longest_ns = took;
        Muster__V1__WhereResponse *where =
            muster__v1__where_response__unpack(NULL, response.body.len, (const uint8_t *)response.body.data);
        if (where == NULL) die("an answer that does not decode");
        walked.places += where->n_places;
        walked.pages++;
        snprintf(token, sizeof token, "%.*s", (int)where->next_page_token.len,
                 (const char *)where->next_page_token.data);
        muster__v1__where_response__free_unpacked(where, NULL);
    } while (token[0] != '\0');
    return walked;
}

static void measure_where(unsigned scopes, unsigned asked) {
    static uint8_t body[BODY_BYTES];
    static struct histogram times, calls;
    struct bench bench;
    struct walked walked;
    memset(&times, 0, sizeof times);
    memset(&calls, 0, sizeof calls);
    bench_open(&bench);
    fill_scopes(&bench, scopes, asked, body);
    for (int i = 0; i < WALKS; i++) {
        walked = walk(&bench, asked, body);
        histogram_record(&times, walked.ns);
        histogram_record(&calls, walked.longest_ns);
        if (walked.places != (size_t)asked * PLACES) die("the walk did not find each place once");
    }
    printf("{\"measure\":\"where\",\"users\":%u,\"scopes\":%u,\"places\":%zu,\"pages\":%zu,\"walk_p50_ms\":%.2f,"
           "\"page_p50_us\":%.1f,\"page_max_us\":%.1f}\n",
           asked, scopes, walked.places, walked.pages, (double)histogram_percentile(&times, 50) / 1e6,
           (double)histogram_percentile(&calls, 50) / 1e3, (double)calls.max / 1e3);
    bench_close(&bench);
}

int main(int argc, char **argv) {
    unsigned scopes = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    if (scopes < PLACES * BATCH || scopes % PLACES != 0) die("SCOPES: at least 10000, a multiple of 10");
    measure_refresh();
    measure_where(scopes, 1);
    measure_where(scopes, BATCH);
    return 0;
}
