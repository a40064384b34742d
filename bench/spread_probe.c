/* How long news takes from one node to another: joins a new user at one, and asks the other in a tight loop until it
 * says that the user is live. Timed from the join's answer to the first such answer; what a question takes is in the
 * figure, for Muster and for Redis alike. Prints one JSON object; exit status 1 and a sentence where the run failed. */
#include "dialect.h"
#include "histogram.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 8192, PATIENCE_S = 20, PAUSE_LEAST_US = 15000, PAUSE_SPREAD_US = 10000 };

static const char usage[] = "usage: spread_probe --to muster|redis --from HOST:PORT --at HOST:PORT [--samples N]\n";

/* One connection with one request in flight. */
struct line {
    const struct dialect *dialect;
    int fd;
    struct work work;
};

static void die(const char *what) {
    fprintf(stderr, "spread_probe: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void send_all(int fd, const uint8_t *data, size_t len) {
    for (ssize_t sent; len > 0; data += sent, len -= (size_t)sent)
        if ((sent = send(fd, data, len, MSG_NOSIGNAL)) <= 0) die("cannot send");
}

/* "10.77.0.1:7700" */
static struct sockaddr_in address_of(char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char *colon = strrchr(text, ':');
    if (colon == NULL) die("an address without a port");
    *colon = 0;
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) die("an address that is none");
    return address;
}

static struct line line_open(const struct dialect *dialect, struct sockaddr_in address, enum work_kind kind) {
    struct line line = {.dialect = dialect, .work = {.kind = kind, .batch = 1, .users = 1, .ttl_ms = 3600000}};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int one = 1;
    line.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line.fd < 0 || connect(line.fd, (struct sockaddr *)&address, sizeof address) != 0) die("cannot connect");
    setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(line.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (dialect->hello_bytes == 0) return line;
    uint8_t answer[BYTES_MAX];
    send_all(line.fd, dialect->hello, dialect->hello_bytes);
    if (recv(line.fd, answer, dialect->hello_bytes, MSG_WAITALL) != (ssize_t)dialect->hello_bytes ||
        memcmp(answer, dialect->hello_answer, dialect->hello_bytes) != 0)
        die("no server of this kind");
    return line;
}

/* Asks about one user, and returns the answer's hits. */
static uint64_t ask(struct line *line, uint64_t user) {
    uint8_t bytes[BYTES_MAX];
    struct progress progress = {0};
    struct answer answer = {0};
    line->work.first = user;
    send_all(line->fd, bytes, line->dialect->request(&line->work, &progress, 0, bytes));
    for (size_t len = 0, used = 0; !answer.is_done;) {
        ssize_t got = recv(line->fd, bytes + len, sizeof bytes - len, 0);
        if (got <= 0) die("no answer");
        len += (size_t)got;
        used += line->dialect->answer(&line->work, &progress, bytes + used, len - used, &answer);
        if (answer.problem[0] != 0) die(answer.problem);
    }
    return answer.hits;
}

struct tally {
    struct histogram times;
    uint64_t questions, at_once; /* at_once: the first question was answered so already */
};

static void sample(struct line *from, struct line *at, uint64_t user, struct tally *tally) {
    (void)ask(from, user);
    uint64_t start = now_ns(), questions = 0, end;
    do {
        bool is_live = ask(at, user) > 0;
        end = now_ns();
        questions++;
        if (is_live) break;
        if (end - start > (uint64_t)PATIENCE_S * 1000000000) die("a user never came");
    } while (true);
    histogram_add(&tally->times, end - start);
    tally->questions += questions;
    if (questions == 1) tally->at_once++;
}

/* An uneven pause, so that samples do not fall into step with the flushes. */
static void rest(uint64_t number) {
    uint64_t spread = (number * 0x9e3779b97f4a7c15) >> 40;
    usleep((useconds_t)(PAUSE_LEAST_US + spread % PAUSE_SPREAD_US));
}

static double us_at(const struct tally *tally, double share) {
    return (double)histogram_at(&tally->times, share) / 1000;
}

static void print_tally(const char *to, const struct tally *tally) {
    printf("{\"to\":\"%s\",\"samples\":%llu,\"questions\":%llu,\"at_once\":%llu,", to,
           (unsigned long long)tally->times.count, (unsigned long long)tally->questions,
           (unsigned long long)tally->at_once);
    printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", us_at(tally, 0.5), us_at(tally, 0.9),
           us_at(tally, 0.99), (double)tally->times.max_ns / 1000);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"to", required_argument, NULL, 't'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"at", required_argument, NULL, 'a'},
                                            {"samples", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    static struct tally tally;
    const struct dialect *dialect = NULL;
    char *from_address = NULL, *at_address = NULL;
    uint64_t samples = 100;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 't') dialect = strcmp(optarg, "redis") == 0 ? &dialect_redis : &dialect_muster;
        if (option == 'f') from_address = optarg;
        if (option == 'a') at_address = optarg;
        if (option == 'n') samples = strtoull(optarg, NULL, 10);
    }
    if (dialect == NULL || from_address == NULL || at_address == NULL || samples == 0) die(usage);
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    struct line from = line_open(dialect, address_of(from_address), WORK_TOUCH);
    struct line at = line_open(dialect, address_of(at_address), WORK_LIVE);
    /* Users that no other run has told of: by the time. */
    uint64_t first = UINT64_C(500000000000) + now_ns() / 1000 % UINT64_C(400000000000);
    for (uint64_t i = 0; i < samples; i++) {
        sample(&from, &at, first + i, &tally);
        rest(i);
    }
    print_tally(dialect->name, &tally);
    close(from.fd);
    close(at.fd);
    return 0;
}
