/* Memory of nghttp2's sessions. Three blocks are most of an idle one, and each is kept small in its own way:
 *
 * - A buffer of 16 KiB, into which a frame is written before nghttp2_session_mem_send returns it. It holds nothing
 *   between two frames, and a loop serves one connection at a time: all sessions of a loop share one. A session that
 *   asks for a larger one gets its own.
 * - The table of streams: a page, all of it zero while no stream is open. Each has a page of its own, which costs
 *   nothing before it is first written to, and can be given back once it is zero again.
 * - The tables of HPACK: session.c makes the encoder's small, since the fields of our responses are few.
 *
 * For one thread at a time. */
#ifndef MUSTER_NET_GRPC_SESSION_MEMORY_H
#define MUSTER_NET_GRPC_SESSION_MEMORY_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session_memory {
    nghttp2_mem functions;
    bool is_opening;   /* set it while a session is made: the blocks above are known by their sizes */
    void *opened_page; /* the page that was taken meanwhile; NULL: none */
    uint8_t *frame_buffer;
    uint8_t *pages; /* address space for sessions_max of them */
    size_t pages_max, pages_used;
    uint32_t *free_pages; /* their numbers */
    size_t free_count;
};

/* False: memory is short. The address must not change while there are sessions. */
bool session_memory_open(struct session_memory *memory, size_t sessions_max);
/* Once all sessions are deleted. What is zeroed may be closed. */
void session_memory_close(struct session_memory *memory);
/* Gives the page back to the system if it is all zero; it stays taken. `page` may be NULL, or freed. */
void session_memory_trim(struct session_memory *memory, void *page);

#endif
