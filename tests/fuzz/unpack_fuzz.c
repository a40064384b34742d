/* A file of any bytes, packed or not: it is unpacked to its end or to an error, and its lines keep their cap. */
#include "client/cli/command.h"
#include "client/cli/lines.h"
#include "client/cli/unpack.h"
#include "fuzz.h"

int command_failed = 1; /* command.c's, for memory.c */

/* An archive of a few kilobytes may hold gigabytes. */
enum { CONTENT_BYTES_MAX = 8 << 20 };

struct source {
    struct unpack *unpack;
    size_t bytes;
};

static size_t read_source(void *context, char *to, size_t room) {
    struct source *source = context;
    if (source->bytes > CONTENT_BYTES_MAX) return 0;
    const size_t len = unpack_read(source->unpack, to, room);
    hold(len <= room);
    source->bytes += len;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
    struct source source = {unpack_new(in), 0};
    struct lines *lines = lines_new(read_source, &source);
    struct line line;
    uint64_t number = 0;
    while (lines_next(lines, &line)) {
        hold(line.number == ++number);
        hold(line.text.len <= LINE_BYTES_MAX);
    }
    lines_free(lines);
    unpack_free(source.unpack);
    (void)fclose(in);
    return 0;
}
