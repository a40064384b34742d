#include "page_region.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older headers lack it */
#endif
#ifndef PAGE_POPULATE_ADVICE /* a test builds this file with advice that no kernel takes */
#define PAGE_POPULATE_ADVICE MADV_POPULATE_WRITE
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PAGE_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PAGE_IS_SANITIZED 1
#endif
#endif

enum {
#ifdef PAGE_IS_SANITIZED
    UNITS_MAX = 256, /* a sanitizer keeps shadow memory of all that is mapped */
#else
    UNITS_MAX = 1 << 16, /* 128 GiB */
#endif
    UNITS_MIN = 32,
    LIMIT_SHARE = 4, /* of limited address space, the region takes one part in so many */
    POPULATE_MAX = 64,
};

enum unit_state { UNIT_FREE, UNIT_TAKEN, UNIT_LEAVING };

struct piece {
    char *memory;
    size_t bytes;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool is_reserved; /* or was tried to be */
    bool is_running;  /* there is a keeper, the thread that populates and lets go */
    char *base;
    uint32_t units;      /* 0: there is no region */
    uint32_t first_free; /* no unit before it is free */
    uint32_t taken, leaving;
    uint32_t leaving_at; /* where the keeper looks next for a unit that leaves */
    uint8_t states[UNITS_MAX];
    struct piece waiting[POPULATE_MAX]; /* to be populated, in order */
    size_t waiting_count;
} region = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* ---- reserving --------------------------------------------------------------------------------------------------- */

/* Where the system counts reserved address space as though it were used, there is none to reserve. */
static bool overcommit_is_forbidden(void) {
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
    if (file == NULL) return false;
    int mode = fgetc(file);
    fclose(file);
    return mode == '2';
}

static uint64_t units_within(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UNITS_MAX;
    return limit.rlim_cur / LIMIT_SHARE / PAGE_UNIT_BYTES;
}

static void region_map(uint64_t bytes_wanted) {
    uint64_t space = units_within(RLIMIT_AS), data = units_within(RLIMIT_DATA);
    uint64_t units = bytes_wanted / PAGE_UNIT_BYTES;
    if (units < UNITS_MIN) units = UNITS_MIN;
    if (units > space) units = space;
    if (units > data) units = data;
    if (overcommit_is_forbidden()) return;
    for (; units >= UNITS_MIN; units /= 2) {
        size_t bytes = (size_t)units * PAGE_UNIT_BYTES;
        char *mapped = mmap(NULL, bytes + PAGE_UNIT_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) continue;
        region.base = mapped + (-(uintptr_t)mapped & (PAGE_UNIT_BYTES - 1));
        region.units = (uint32_t)units;
        /* Random access to tables of gigabytes misses the TLB on every beat where pages are small. */
        (void)madvise(region.base, bytes, MADV_HUGEPAGE);
        return;
    }
}

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

static size_t step_bytes(size_t bytes) {
    return bytes < PAGE_UNIT_BYTES ? bytes : PAGE_UNIT_BYTES;
}

/* Makes a system call without the lock. */
static int keeper_step(char *memory, size_t bytes, int advice) {
    pthread_mutex_unlock(&region.lock);
    int rc = madvise(memory, bytes, advice);
    pthread_mutex_lock(&region.lock);
    return rc;
}

static void waiting_remove(size_t i) {
    region.waiting_count--;
    memmove(&region.waiting[i], &region.waiting[i + 1], (region.waiting_count - i) * sizeof region.waiting[i]);
}

/* Populates the next unit of the first piece that waits. Where the kernel cannot, pages come as they are touched. */
static void keeper_populate(void) {
    struct piece step = region.waiting[0];
    step.bytes = step_bytes(step.bytes);
    region.waiting[0].memory += step.bytes;
    region.waiting[0].bytes -= step.bytes;
    if (region.waiting[0].bytes == 0) waiting_remove(0);
    (void)keeper_step(step.memory, step.bytes, PAGE_POPULATE_ADVICE);
}

/* A unit whose pages are gone reads as zeros. */
static void unit_let_go(uint32_t unit, int rc) {
    if (rc != 0) memset(region.base + (size_t)unit * PAGE_UNIT_BYTES, 0, PAGE_UNIT_BYTES);
    region.states[unit] = UNIT_FREE;
    region.leaving--;
    if (unit < region.first_free) region.first_free = unit;
}

static void keeper_let_go(void) {
    while (region.states[region.leaving_at] != UNIT_LEAVING)
        if (++region.leaving_at >= region.units) region.leaving_at = 0;
    uint32_t unit = region.leaving_at;
    char *memory = region.base + (size_t)unit * PAGE_UNIT_BYTES;
    unit_let_go(unit, keeper_step(memory, PAGE_UNIT_BYTES, MADV_DONTNEED));
}

static void *keeper_run(void *context) {
    (void)context;
    /* Who wakes it holds the node's lock, and is not to be preempted by it. */
    (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    pthread_mutex_lock(&region.lock);
    for (;;) {
        if (region.waiting_count > 0) keeper_populate();
        else if (region.leaving > 0) keeper_let_go();
        else pthread_cond_wait(&region.work, &region.lock);
    }
    return NULL;
}

static void fork_prepare(void) {
    pthread_mutex_lock(&region.lock);
}

static void fork_parent(void) {
    pthread_mutex_unlock(&region.lock);
}

/* The keeper is the parent's. What it was about to do is done by one of the child's own, once there is work. */
static void fork_child(void) {
    region.is_running = false;
    pthread_cond_init(&region.work, NULL);
    pthread_mutex_unlock(&region.lock);
}

/* Wakes the keeper, or makes one: detached, for the life of the process. false: there is none. */
static bool keeper_wake(void) {
    if (!region.is_running) {
        pthread_t thread;
        sigset_t all, before;
        sigfillset(&all); /* signals are for the threads that wait for them */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        region.is_running = pthread_create(&thread, NULL, keeper_run, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (region.is_running) pthread_detach(thread);
    }
    if (region.is_running) pthread_cond_signal(&region.work);
    return region.is_running;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static uint32_t units_of(size_t bytes) {
    return (uint32_t)((bytes + PAGE_UNIT_BYTES - 1) / PAGE_UNIT_BYTES);
}

/* The first of `units` free units in a row; region.units if there are none. */
static uint32_t units_find(uint32_t units) {
    uint32_t run = 0;
    for (uint32_t unit = region.first_free; unit < region.units; unit++) {
        if (region.states[unit] != UNIT_FREE) {
            if (run == 0 && unit == region.first_free) region.first_free++;
            run = 0;
        } else if (++run == units) {
            return unit + 1 - units;
        }
    }
    return region.units;
}

static void piece_wait(char *memory, size_t bytes) {
    if (region.waiting_count == POPULATE_MAX || !keeper_wake()) return;
    region.waiting[region.waiting_count++] = (struct piece){memory, bytes};
}

/* Of a piece that is being populated only the rest still waits. */
static void piece_drop(const char *memory, size_t bytes) {
    for (size_t i = 0; i < region.waiting_count;) {
        const char *at = region.waiting[i].memory;
        if (at >= memory && at < memory + bytes) waiting_remove(i);
        else i++;
    }
}

void page_region_reserve(uint64_t bytes) {
    pthread_mutex_lock(&region.lock);
    if (!region.is_reserved) {
        region.is_reserved = true;
        region_map(bytes);
        pthread_atfork(fork_prepare, fork_parent, fork_child);
        keeper_wake();
    }
    pthread_mutex_unlock(&region.lock);
}

void *page_region_take(size_t bytes) {
    if (bytes > (size_t)UNITS_MAX * PAGE_UNIT_BYTES) return NULL;
    uint32_t units = units_of(bytes);
    char *memory = NULL;
    pthread_mutex_lock(&region.lock);
    uint32_t unit = units_find(units);
    if (unit < region.units) {
        memset(&region.states[unit], UNIT_TAKEN, units);
        region.taken += units;
        memory = region.base + (size_t)unit * PAGE_UNIT_BYTES;
        piece_wait(memory, bytes);
    }
    pthread_mutex_unlock(&region.lock);
    return memory;
}

bool page_region_give(void *memory, size_t bytes) {
    char *from = memory;
    pthread_mutex_lock(&region.lock);
    bool is_of_region =
        region.units > 0 && from >= region.base && (size_t)(from - region.base) / PAGE_UNIT_BYTES < region.units;
    if (is_of_region) {
        uint32_t unit = (uint32_t)((size_t)(from - region.base) / PAGE_UNIT_BYTES), units = units_of(bytes);
        piece_drop(from, bytes);
        memset(&region.states[unit], UNIT_LEAVING, units);
        region.taken -= units;
        region.leaving += units;
        if (!keeper_wake())
            for (uint32_t i = unit; i < unit + units; i++)
                unit_let_go(i, madvise(region.base + (size_t)i * PAGE_UNIT_BYTES, PAGE_UNIT_BYTES, MADV_DONTNEED));
    }
    pthread_mutex_unlock(&region.lock);
    return is_of_region;
}

void page_region_populate(char *memory, size_t bytes) {
    pthread_mutex_lock(&region.lock);
    piece_wait(memory, bytes);
    pthread_mutex_unlock(&region.lock);
}

void page_region_forget(const char *memory, size_t bytes) {
    pthread_mutex_lock(&region.lock);
    piece_drop(memory, bytes);
    pthread_mutex_unlock(&region.lock);
}

void page_region_figures(struct page_region_figures *out) {
    pthread_mutex_lock(&region.lock);
    *out = (struct page_region_figures){.reserved_bytes = (size_t)region.units * PAGE_UNIT_BYTES,
                                        .taken_bytes = (size_t)region.taken * PAGE_UNIT_BYTES,
                                        .leaving_bytes = (size_t)region.leaving * PAGE_UNIT_BYTES,
                                        .waiting = region.waiting_count};
    pthread_mutex_unlock(&region.lock);
}
