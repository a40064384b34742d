/* A library for LD_PRELOAD that shifts the wall clock of one process, and no other clock:
 *   WALL_SHIFT_MS=N     by N ms, of either sign, from the start of the process;
 *   WALL_SHIFT_FILE=F   by what the file F holds at that instant, 8 bytes, a number of ms in the byte order of this
 *                       machine (wall_shift.h writes it): a running process' wall can be stepped. Before WALL_SHIFT_MS.
 * CLOCK_REALTIME and its coarse twin, gettimeofday and time are shifted, and so are the ends of waits on condition
 * variables that go by CLOCK_REALTIME. Timers and sleeps of the kernel that go by it are not. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int clock_gettime_call(clockid_t clock, struct timespec *out);
typedef int cond_timedwait_call(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);

static int64_t fixed_ms;
static const volatile int64_t *shared_ms; /* NULL: there is no file */
static clock_gettime_call *real_clock_gettime;
static cond_timedwait_call *real_cond_timedwait;

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, MS_PER_S = 1000 };

/* dlsym alone gives the oldest version of a symbol that has several, whose condition variables are other objects. */
static void *find_versioned(const char *name, const char *version) {
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

static void share_file(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *shared_ms, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) shared_ms = page;
}

__attribute__((constructor)) static void wall_shift_begin(void) {
    const char *ms = getenv("WALL_SHIFT_MS"), *path = getenv("WALL_SHIFT_FILE");
    if (ms != NULL) fixed_ms = strtoll(ms, NULL, 10);
    if (path != NULL) share_file(path);
}

static int64_t shift_ms(void) {
    return shared_ms != NULL ? *shared_ms : fixed_ms;
}

static void timespec_shift(struct timespec *at, int64_t ms) {
    int64_t ns = at->tv_nsec + ms % MS_PER_S * NS_PER_MS;
    at->tv_sec += (time_t)(ms / MS_PER_S + (ns >= NS_PER_S) - (ns < 0));
    at->tv_nsec = (long)(ns < 0 ? ns + NS_PER_S : ns >= NS_PER_S ? ns - NS_PER_S : ns);
    if (at->tv_sec < 0) *at = (struct timespec){0};
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out) {
    if (real_clock_gettime == NULL) {
        void *found = find_versioned("clock_gettime", "GLIBC_2.17");
        __atomic_store_n(&real_clock_gettime, (clock_gettime_call *)(uintptr_t)found, __ATOMIC_RELAXED);
    }
    int status = real_clock_gettime(clock, out);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) timespec_shift(out, shift_ms());
    return status;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *out) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

/* Whether a condition variable goes by CLOCK_MONOTONIC: bit 1 of the word in which glibc keeps its references. */
static int cond_is_monotonic(const pthread_cond_t *cond) {
    return (__atomic_load_n(&cond->__data.__wrefs, __ATOMIC_RELAXED) & 2) != 0;
}

__attribute__((visibility("default"))) int pthread_cond_timedwait(pthread_cond_t *restrict cond,
                                                                  pthread_mutex_t *restrict mutex,
                                                                  const struct timespec *restrict until) {
    if (real_cond_timedwait == NULL) {
        void *found = find_versioned("pthread_cond_timedwait", "GLIBC_2.3.2");
        __atomic_store_n(&real_cond_timedwait, (cond_timedwait_call *)(uintptr_t)found, __ATOMIC_RELAXED);
    }
    struct timespec true_until = *until;
    if (!cond_is_monotonic(cond)) timespec_shift(&true_until, -shift_ms());
    return real_cond_timedwait(cond, mutex, &true_until);
}
