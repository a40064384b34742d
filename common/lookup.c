#include "lookup.h"

#include "thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

struct lookup {
    atomic_uint owners; /* who drops it last, the thread or the one that started it, frees it */
    atomic_bool has_ended;
    int fd;
    char host[URL_BYTES], port[ENDPOINT_PORT_BYTES];

    /* The thread's, until has_ended. */
    int failure, failure_errno; /* of getaddrinfo(3) */
    size_t count;
    struct target targets[TARGETS_MAX];
};

bool target_of(const struct endpoint *endpoint, struct target *target) {
    *target = (struct target){0};
    struct sockaddr_un *local = (struct sockaddr_un *)&target->address;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&target->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target->address;
    uint16_t port = (uint16_t)atoi(endpoint->port);
    if (endpoint->is_ipc) {
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, endpoint->path, strlen(endpoint->path));
        target->len = sizeof *local;
    } else if (inet_pton(AF_INET, endpoint->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        target->len = sizeof *v4;
    } else if (inet_pton(AF_INET6, endpoint->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        target->len = sizeof *v6;
    }
    return target->len != 0;
}

void lookup_drop(struct lookup *lookup) {
    if (lookup == NULL || atomic_fetch_sub(&lookup->owners, 1) != 1) return;
    close(lookup->fd);
    free(lookup);
}

static void *lookup_thread(void *arg) {
    struct lookup *lookup = arg;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    lookup->failure = getaddrinfo(lookup->host, lookup->port, &hints, &found);
    lookup->failure_errno = errno;
    for (const struct addrinfo *at = found; at != NULL && lookup->count < TARGETS_MAX; at = at->ai_next) {
        if (at->ai_addrlen > sizeof(struct sockaddr_storage)) continue;
        struct target *target = &lookup->targets[lookup->count++];
        memcpy(&target->address, at->ai_addr, at->ai_addrlen);
        target->len = at->ai_addrlen;
    }
    if (lookup->failure == 0) freeaddrinfo(found);
    atomic_store(&lookup->has_ended, true);
    (void)eventfd_write(lookup->fd, 1);
    lookup_drop(lookup);
    return NULL;
}

struct lookup *lookup_start(const struct endpoint *endpoint, struct error *error) {
    pthread_t thread;
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        (void)error_fail_memory(error);
        return NULL;
    }
    memcpy(lookup->host, endpoint->host, sizeof lookup->host);
    memcpy(lookup->port, endpoint->port, sizeof lookup->port);
    if ((lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        (void)error_fail_errno(error, errno);
        free(lookup);
        return NULL;
    }
    atomic_init(&lookup->owners, 2);
    if (thread_start(&thread, lookup_thread, lookup) == 0) {
        pthread_detach(thread);
        return lookup;
    }
    (void)error_fail(error, MUSTER_RESOURCE_EXHAUSTED,
                     "the system has no room for more threads, to look up the host's name");
    close(lookup->fd);
    free(lookup);
    return NULL;
}

int lookup_fd(const struct lookup *lookup) {
    return lookup->fd;
}

bool lookup_has_ended(struct lookup *lookup) {
    return atomic_load(&lookup->has_ended);
}

size_t lookup_targets(struct lookup *lookup, struct target targets[TARGETS_MAX], struct error *error) {
    memcpy(targets, lookup->targets, lookup->count * sizeof *targets);
    if (lookup->count != 0) return lookup->count;
    const char *why = lookup->failure == 0            ? "it has no address"
                      : lookup->failure == EAI_SYSTEM ? strerror(lookup->failure_errno)
                                                      : gai_strerror(lookup->failure);
    (void)error_fail(error, MUSTER_UNAVAILABLE, "host name does not resolve: %s", why);
    return 0;
}
