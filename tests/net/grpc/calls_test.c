/* How calls begin and end: what is no call of gRPC, unknown methods, cardinality, time-outs, cancellation, sizes,
 * compression, messages of statuses, metadata. */
#include "muster/limits.h"
#include "rig.h"
#include "support/hpack.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* Codes of gRPC that the contract of Muster does not use are not among them. */
enum { MESSAGE_MAX = 4096, SMALL_BYTES = 64 * 1024 };

static struct rig rig;
static const struct grpc_door_config config = {.message_bytes_max = MESSAGE_MAX};

static struct text filled(char *bytes, size_t len) {
    memset(bytes, 'x', len);
    return (struct text){bytes, (uint32_t)len};
}

static void expect_status(struct h2 *h2, uint32_t id, int code, const char *part, const char *what) {
    if (!h2_await_stream_end(h2, id, 0)) fail_msg("%s: the call does not end", what);
    struct grpc_result result = grpc_result(h2, id);
    if (result.http_status != 200 || result.code != code || strstr(result.message, part) == NULL)
        fail_msg("%s: HTTP %d, status %d '%s'; expected 200, %d '%s'", what, result.http_status, result.code,
                 result.message, code, part);
}

/* The connection goes on. */
static void expect_served(struct h2 *h2, const char *after) {
    uint32_t id;
    struct text message;
    struct grpc_result result = grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY}, text_of("served"), &id);
    if (result.code != 0 || !grpc_message_at(h2, id, 0, &message) || !text_equal(message, text_of("served")))
        fail_msg("after %s: status %d '%s', expected an echo", after, result.code, result.message);
}

/* ---- what is no call ---- */

static void requests_that_are_no_calls_are_answered_in_http(void **state) {
    (void)state;
    static const struct {
        struct grpc_request request;
        int status;
    } cases[] = {{{.path = ECHO_UNARY, .content_type = "application/json"}, 415},
                 {{.path = ECHO_UNARY, .content_type = "application/grpcx"}, 415},
                 {{.path = ECHO_UNARY, .content_type = "application/grpc-web"}, 415},
                 {{.path = "/", .content_type = "text/plain"}, 415},
                 {{.path = ECHO_UNARY, .method = "GET"}, 405},
                 {{.path = ECHO_UNARY, .method = "PUT"}, 405}};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct grpc_request *request = &cases[i].request;
        for (int with_body = 0; with_body < 2; with_body++) {
            uint32_t id = grpc_begin(h2, request, with_body != 0 ? 0 : H2_END_STREAM);
            if (with_body != 0) grpc_send(h2, id, text_of("a body"), H2_END_STREAM);
            if (!h2_await_stream_end(h2, id, 0)) fail_msg("case %zu is not answered", i);
            struct grpc_result result = grpc_result(h2, id);
            if (result.http_status != cases[i].status)
                fail_msg("case %zu: HTTP %d, expected %d", i, result.http_status, cases[i].status);
        }
    }
    expect_served(h2, "requests that are no calls");
    h2_close(h2);
    if (rig.echo.opened != 1) fail_msg("%u calls reached the service, expected 1", rig.echo.opened);
}

static void content_types_of_grpc_are_taken(void **state) {
    (void)state;
    static const char *const types[] = {"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct grpc_result result =
            grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY, .content_type = types[i]}, text_of("x"), NULL);
        if (result.code != 0) fail_msg("%s: status %d '%s'", types[i], result.code, result.message);
    }
    h2_close(h2);
}

static void unknown_methods_are_unimplemented(void **state) {
    (void)state;
    static const char *const paths[] = {"/test.Echo/None",   "/test.Echo/",      "/test.Echo", "/none.Such/Unary",
                                        "/test.Echo/Unary/", "/test.Echo/unary", "//",         "/"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[i]}, 0);
        expect_status(h2, id, MUSTER_UNIMPLEMENTED, "", paths[i]); /* at once: before any message */
        if (!grpc_result(h2, id).is_trailers_only) fail_msg("%s: not by trailers alone", paths[i]);
    }
    expect_served(h2, "unknown methods");
    h2_close(h2);
}

/* ---- cardinality ---- */

static void a_unary_call_has_one_message(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t none = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, H2_END_STREAM);
    expect_status(h2, none, MUSTER_UNIMPLEMENTED, "", "no message, END_STREAM on HEADERS");
    none = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_half_close(h2, none);
    expect_status(h2, none, MUSTER_UNIMPLEMENTED, "", "no message");
    uint32_t two = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send(h2, two, text_of("one"), 0);
    grpc_send(h2, two, text_of("two"), 0);
    expect_status(h2, two, MUSTER_UNIMPLEMENTED, "", "two messages, before the end");
    two = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    h2_write_frame(h2, H2_DATA, H2_END_STREAM, two, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    expect_status(h2, two, MUSTER_UNIMPLEMENTED, "", "two messages in a frame");
    expect_served(h2, "another number of messages");
    h2_close(h2);
    if (rig.echo.messages != 1) fail_msg("%u messages reached the service, expected 1", rig.echo.messages);
}

/* A message that the end of the stream cuts. */
static void a_cut_message_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *path, *bytes;
        size_t len;
    } cases[] = {{ECHO_UNARY, "\0\0\0\0\5four", 9},
                 {ECHO_UNARY, "\0\0\0", 3},
                 {ECHO_STREAM, "\0\0\0\0\1a\0\0", 8},
                 {ECHO_COLLECT, "\0\0\0\0\1a\0\0\0\0\2b", 12}};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = cases[i].path}, 0);
        h2_write_frame(h2, H2_DATA, H2_END_STREAM, id, cases[i].bytes, cases[i].len);
        if (!h2_await_stream_end(h2, id, 0)) fail_msg("case %zu: the call does not end", i);
        int code = grpc_result(h2, id).code;
        if (code <= 0 && !h2_stream(h2, id)->is_reset) fail_msg("case %zu: status %d for a cut message", i, code);
    }
    expect_served(h2, "cut messages");
    h2_close(h2);
}

/* ---- sizes ---- */

static void a_message_above_the_limit_is_refused_from_its_prefix(void **state) {
    (void)state;
    static const uint32_t lengths[] = {MESSAGE_MAX + 1, 1u << 24, 0x7fffffff, 0x80000000, 0xfffffffb, UINT32_MAX};
    static const char *const paths[] = {ECHO_UNARY, ECHO_STREAM, ECHO_COLLECT};
    struct h2 *h2 = rig_greet(&rig);
    size_t before = rig_bytes(&rig);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t prefix[GRPC_PREFIX] = {0, (uint8_t)(lengths[i] >> 24), (uint8_t)(lengths[i] >> 16),
                                       (uint8_t)(lengths[i] >> 8), (uint8_t)lengths[i]};
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[i % 3]}, 0);
        h2_write_frame(h2, H2_DATA, 0, id, prefix, sizeof prefix);
        expect_status(h2, id, MUSTER_RESOURCE_EXHAUSTED, "", "five bytes of a message above the limit");
        if (rig_bytes(&rig) > before + SMALL_BYTES)
            fail_msg("%zu bytes are owned for a prefix of %u", rig_bytes(&rig) - before, lengths[i]);
    }
    expect_served(h2, "messages above the limit");
    h2_close(h2);
}

static void a_message_of_the_limit_is_taken(void **state) {
    (void)state;
    char bytes[MESSAGE_MAX];
    uint32_t id;
    struct text echoed;
    struct h2 *h2 = rig_greet(&rig);
    struct grpc_result result =
        grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY}, filled(bytes, sizeof bytes), &id);
    if (result.code != 0 || !grpc_message_at(h2, id, 0, &echoed) || echoed.len != MESSAGE_MAX)
        fail_msg("status %d '%s'", result.code, result.message);
    h2_close(h2);
}

/* Memory grows by what came, not by what was announced. */
static void an_announced_length_allocates_nothing(void **state) {
    (void)state;
    enum { STREAMS = 100 };
    struct h2 *h2 = rig_greet(&rig);
    for (int i = 0; i < STREAMS; i++) {
        static const uint8_t begun[] = {0, 0, 0, MESSAGE_MAX >> 8, 0, 'x'};
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
        h2_write_frame(h2, H2_DATA, 0, id, begun, sizeof begun);
    }
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    if (rig_bytes(&rig) > STREAMS * MESSAGE_MAX / 4)
        fail_msg("%zu bytes are owned for %d messages of which a byte came", rig_bytes(&rig), STREAMS);
    h2_close(h2);
}

/* ---- compression ---- */

static size_t gzipped(const void *bytes, size_t len, uint8_t *out, size_t size) {
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)size};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) fail_msg("%zu bytes do not fit %zu", len, size);
    deflateEnd(&stream);
    return size - stream.avail_out;
}

static uint32_t ask_compressed(struct h2 *h2, const char *path, const char *encoding, struct text message) {
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = path, .encoding = encoding}, 0);
    grpc_send_flagged(h2, id, 1, message, H2_END_STREAM);
    return id;
}

static void gzip_is_taken(void **state) {
    (void)state;
    char plain[MESSAGE_MAX];
    uint8_t packed[MESSAGE_MAX];
    struct text message, expected = filled(plain, sizeof plain);
    struct h2 *h2 = rig_greet(&rig);
    size_t len = gzipped(plain, sizeof plain, packed, sizeof packed);
    uint32_t id = ask_compressed(h2, ECHO_UNARY, "gzip", (struct text){(char *)packed, (uint32_t)len});
    expect_status(h2, id, MUSTER_OK, "", "gzip");
    if (!grpc_message_at(h2, id, 0, &message) || !text_equal(message, expected)) fail_msg("gzip: not what was packed");
    /* Not every message of a compressed call is compressed. */
    id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY, .encoding = "gzip"}, 0);
    grpc_send(h2, id, text_of("plain"), H2_END_STREAM);
    expect_status(h2, id, MUSTER_OK, "", "a plain message of a gzip call");
    h2_close(h2);
}

static void unknown_compressions_are_unimplemented(void **state) {
    (void)state;
    static const char *const encodings[] = {"snappy", "deflate", "zstd", "gzip2", "x"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        uint32_t id = ask_compressed(h2, ECHO_UNARY, encodings[i], text_of("whatever"));
        expect_status(h2, id, MUSTER_UNIMPLEMENTED, "", encodings[i]);
        const char *accepted = h2_value(&h2_stream(h2, id)->headers, "grpc-accept-encoding");
        if (accepted == NULL || strstr(accepted, "gzip") == NULL)
            fail_msg("%s: grpc-accept-encoding is '%s'", encodings[i], accepted != NULL ? accepted : "(none)");
    }
    expect_served(h2, "unknown compressions");
    h2_close(h2);
    if (rig.echo.messages != 1) fail_msg("%u messages reached the service, expected 1", rig.echo.messages);
}

/* "If the Compressed-Flag is 1 and no grpc-encoding was sent: INTERNAL" (compression.md). */
static void compressed_without_an_encoding_is_internal(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    expect_status(h2, ask_compressed(h2, ECHO_UNARY, NULL, text_of("x")), MUSTER_INTERNAL, "", "no encoding");
    expect_status(h2, ask_compressed(h2, ECHO_UNARY, "identity", text_of("x")), MUSTER_INTERNAL, "", "identity");
    h2_close(h2);
}

static void a_gzip_bomb_is_refused(void **state) {
    (void)state;
    enum { UNPACKED = 3000000 };
    uint8_t packed[MESSAGE_MAX], *plain = calloc(1, UNPACKED);
    size_t len = gzipped(plain, UNPACKED, packed, sizeof packed), before;
    free(plain);
    struct h2 *h2 = rig_greet(&rig);
    before = rig_bytes(&rig);
    uint32_t id = ask_compressed(h2, ECHO_UNARY, "gzip", (struct text){(char *)packed, (uint32_t)len});
    expect_status(h2, id, MUSTER_RESOURCE_EXHAUSTED, "message: more than 4096 bytes once it is decompressed",
                  "3 MB in 3 kB");
    if (rig_bytes(&rig) > before + SMALL_BYTES) fail_msg("%zu bytes are owned", rig_bytes(&rig) - before);
    expect_served(h2, "a gzip bomb");
    h2_close(h2);
}

static void broken_gzip_and_flags_are_refused(void **state) {
    (void)state;
    uint8_t packed[256];
    size_t len = gzipped("cut and damaged", 15, packed, sizeof packed);
    struct h2 *h2 = rig_greet(&rig);
    const struct text cases[] = {text_of("no gzip"), {"", 0}, {(char *)packed, (uint32_t)len - 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t id = ask_compressed(h2, ECHO_UNARY, "gzip", cases[i]);
        if (!h2_await_stream_end(h2, id, 0)) fail_msg("broken gzip %zu: the call does not end", i);
        if (grpc_result(h2, id).code <= 0) fail_msg("broken gzip %zu: status %d", i, grpc_result(h2, id).code);
    }
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send_flagged(h2, id, 2, text_of("a flag of 2"), H2_END_STREAM);
    if (!h2_await_stream_end(h2, id, 0) || grpc_result(h2, id).code <= 0) fail_msg("a flag of 2 is taken");
    expect_served(h2, "broken messages");
    h2_close(h2);
}

/* 16 kB of trailers that mean 48 MB. */
static void trailers_count_as_headers_do(void **state) {
    (void)state;
    enum { VALUE_BYTES = 3900 };
    static char value[VALUE_BYTES + 1];
    struct hpack block = {.len = 0};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send(h2, id, text_of("x"), 0);
    memset(value, 'v', VALUE_BYTES);
    hpack_field(&block, HPACK_INDEXED, "x-bomb", value);
    while (block.len < H2_FRAME_BYTES - 1) hpack_reference(&block, 62);
    h2_write_frame(h2, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, id, block.bytes, block.len);
    hpack_free(&block);
    if (!h2_await_end(h2, 0) || h2->goaways == 0 || h2->goaway_error != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("48 MB of trailers: %u GOAWAYs, error %u", h2->goaways, h2->goaway_error);
    h2_close(h2);
}

static void a_few_trailers_are_skipped(void **state) {
    (void)state;
    const struct h2_field trailer = {"x-trailer", "said at the end"};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    grpc_send(h2, id, text_of("x"), 0);
    h2_write_headers(h2, H2_END_STREAM, id, &trailer, 1);
    expect_status(h2, id, 0, "", "trailers of a request");
    h2_close(h2);
}

/* ---- statuses and metadata ---- */

static void messages_of_statuses_are_percent_encoded(void **state) {
    (void)state;
    static const char *const messages[] = {
        "plain", "100 %", "%41", "line\nfeed\ttab", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\x7f\x01", " spaces kept"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        char request[64];
        uint32_t id;
        snprintf(request, sizeof request, "5 %s", messages[i]);
        grpc_ask(h2, &(struct grpc_request){.path = ECHO_FAIL}, text_of(request), &id);
        /* sscanf of the service skips spaces before it. */
        expect_status(h2, id, MUSTER_NOT_FOUND, messages[i] + strspn(messages[i], " "), "a status");
        const struct h2_stream *stream = h2_stream(h2, id);
        const char *raw = h2_value(stream->trailers.count > 0 ? &stream->trailers : &stream->headers, "grpc-message");
        for (; raw != NULL && *raw != '\0'; raw++)
            if (*raw < 0x20 || *raw > 0x7e) fail_msg("message %zu has a byte of %02x on the wire", i, (uint8_t)*raw);
    }
    h2_close(h2);
}

static void metadata_comes_and_goes(void **state) {
    (void)state;
    char large[6000];
    memset(large, 'l', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    const char *const values[][2] = {{"a text", "AAH/"}, {"x", "AA=="}, {large, "AA"}};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const struct h2_field metadata[] = {{"x-text", values[i][0]}, {"x-bin", values[i][1]}, {"x-more", "y"}};
        uint32_t id;
        grpc_ask(h2, &(struct grpc_request){.path = ECHO_METADATA, .metadata = metadata, .metadata_count = 3},
                 text_of("m"), &id);
        expect_status(h2, id, MUSTER_OK, "", "metadata");
        const struct h2_stream *stream = h2_stream(h2, id);
        for (size_t n = 0; n < 2; n++) {
            const char *header = h2_value(&stream->headers, metadata[n].name);
            const char *trailer = h2_value(&stream->trailers, metadata[n].name);
            if (header == NULL || strcmp(header, metadata[n].value) != 0)
                fail_msg("%s of %zu bytes: the header is '%.40s'", metadata[n].name, strlen(metadata[n].value),
                         header != NULL ? header : "(none)");
            if (trailer == NULL || strcmp(trailer, metadata[n].value) != 0)
                fail_msg("%s of %zu bytes: the trailer is '%.40s'", metadata[n].name, strlen(metadata[n].value),
                         trailer != NULL ? trailer : "(none)");
        }
    }
    h2_close(h2);
}

/* More headers than a request may have: this call is refused, and the connection goes on. */
static void a_header_list_above_the_limit_is_refused(void **state) {
    (void)state;
    enum { VALUE_BYTES = 4000, FIELDS = 5 }; /* 20 kB: above 16 KiB, below 64 KiB */
    char value[VALUE_BYTES + 1];
    struct h2_field metadata[FIELDS];
    memset(value, 'v', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    for (size_t i = 0; i < FIELDS; i++) metadata[i] = (struct h2_field){"x-large", value};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id =
        grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY, .metadata = metadata, .metadata_count = FIELDS}, 0);
    if (!h2_await_stream_end(h2, id, 0)) fail_msg("20 kB of headers are taken");
    struct grpc_result result = grpc_result(h2, id);
    if (!h2_stream(h2, id)->is_reset && result.http_status != 431 && result.code != MUSTER_RESOURCE_EXHAUSTED)
        fail_msg("20 kB of headers: HTTP %d, status %d '%s'", result.http_status, result.code, result.message);
    expect_served(h2, "too many headers");
    h2_close(h2);
    if (rig.echo.opened != 1) fail_msg("%u calls reached the service, expected 1", rig.echo.opened);
}

/* Headers in `continuations` frames after the first, the last of which ends them where `is_whole`. */
static void send_in_continuations(struct h2 *h2, int continuations, bool is_whole) {
    struct hpack block = {.len = 0};
    hpack_request(&block, ECHO_UNARY);
    uint32_t id = h2_new_stream(h2);
    h2_write_frame(h2, H2_HEADERS, 0, id, block.bytes, block.len);
    for (int i = 1; i <= continuations; i++)
        h2_write_frame(h2, H2_CONTINUATION, i == continuations && is_whole ? H2_END_HEADERS : 0, id, NULL, 0);
    hpack_free(&block);
}

static void more_continuations_than_the_limit_are_refused(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    for (int i = 0; i < 3; i++) send_in_continuations(h2, MUSTER_GRPC_CONTINUATIONS_MAX, true);
    expect_served(h2, "as many CONTINUATIONs as may be");
    send_in_continuations(h2, MUSTER_GRPC_CONTINUATIONS_MAX + 1, false);
    if (!h2_await_end(h2, 0) || h2->goaways != 1 || h2->goaway_error != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("%u GOAWAYs, error %u; expected one of ENHANCE_YOUR_CALM", h2->goaways, h2->goaway_error);
    h2_close(h2);
}

/* So many PINGs in a turn that nghttp2 gives up: the client is told, too. */
static void what_nghttp2_gives_up_for_is_told(void **state) {
    (void)state;
    enum { PINGS = 1500 };
    struct h2 *h2 = rig_greet(&rig);
    h2_hold(h2);
    for (unsigned i = 0; i < PINGS; i++) h2_write_ping(h2, i);
    h2_release(h2);
    if (!h2_await_end(h2, 0) || h2->goaways != 1 || h2->goaway_error != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("%u GOAWAYs, error %u, %u PONGs; expected a GOAWAY of ENHANCE_YOUR_CALM", h2->goaways,
                 h2->goaway_error, h2->pongs);
    h2_close(h2);
}

/* nghttp2 limits resets by itself, and says so in a GOAWAY that does not wait for ours: the client is told once. */
static void resets_past_two_limits_are_told_once(void **state) {
    (void)state;
    enum { RESETS = 1000, MORE = 20, STEP = 100, EARNED_MS = 100 }; /* RESETS: of nghttp2, and of the budget at once */
    struct h2 *h2 = rig_greet(&rig);
    for (int i = 0; i < RESETS + MORE; i++) {
        if (i == RESETS - STEP) rig_pass(&rig, EARNED_MS, EARNED_MS); /* the budget takes a few more than nghttp2 */
        if (i % STEP == 0) h2_hold(h2);
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, 0);
        h2_write_reset(h2, id, NGHTTP2_CANCEL);
        if (i % STEP == STEP - 1 || i == RESETS + MORE - 1) h2_release(h2);
        if (i % STEP == STEP - 1) expect_served(h2, "fewer resets than the limit");
    }
    if (!h2_await_end(h2, 0) || h2->goaways != 1 || h2->goaway_error != NGHTTP2_ENHANCE_YOUR_CALM)
        fail_msg("%u GOAWAYs, error %u; expected one of ENHANCE_YOUR_CALM", h2->goaways, h2->goaway_error);
    h2_close(h2);
}

/* ---- time-outs and cancellation ---- */

static void a_timeout_ends_a_call(void **state) {
    (void)state;
    static const struct {
        const char *timeout;
        uint64_t ms;
    } cases[] = {{"2S", 2000}, {"1500m", 1500}, {"1500000u", 1500}, {"99999999n", 100}, {"1M", 60000}, {"1H", 3600000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct h2 *h2 = rig_greet(&rig);
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP, .timeout = cases[i].timeout}, 0);
        grpc_send(h2, id, text_of("x"), H2_END_STREAM);
        h2_read_all(h2);
        /* PINGs are answered meanwhile. */
        for (uint64_t left_ms = cases[i].ms - 50; left_ms > 0;) {
            uint64_t step_ms = left_ms < 10000 ? left_ms : 10000;
            rig_pass(&rig, step_ms, step_ms);
            h2_read_all(h2);
            left_ms -= step_ms;
        }
        if (h2_stream(h2, id)->has_ended) fail_msg("%s: the call ends before", cases[i].timeout);
        rig_pass(&rig, 200, 50);
        expect_status(h2, id, MUSTER_DEADLINE_EXCEEDED, "", cases[i].timeout);
        if (rig.echo.opened != rig.echo.closed) fail_msg("%s: the call is not closed", cases[i].timeout);
        h2_close(h2);
    }
}

static void a_timeout_ends_a_call_that_is_not_sent_whole(void **state) {
    (void)state;
    static const char *const paths[] = {ECHO_UNARY, ECHO_STREAM, ECHO_COLLECT};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < 3; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[i], .timeout = "300m"}, 0);
        h2_write_frame(h2, H2_DATA, 0, id, "\0\0\0\0\x05h", 6);
        h2_read_all(h2);
        rig_pass(&rig, 400, 50);
        expect_status(h2, id, MUSTER_DEADLINE_EXCEEDED, "", paths[i]);
    }
    expect_served(h2, "time-outs");
    h2_close(h2);
}

static void a_timeout_of_nothing_ends_at_once(void **state) {
    (void)state;
    static const char *const timeouts[] = {"0S", "0n", "1n", "1u"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP, .timeout = timeouts[i]}, 0);
        grpc_send(h2, id, text_of("x"), H2_END_STREAM);
        h2_read_all(h2);
        rig_pass(&rig, 2, 1);
        expect_status(h2, id, MUSTER_DEADLINE_EXCEEDED, "", timeouts[i]);
    }
    h2_close(h2);
}

static void a_malformed_timeout_is_refused(void **state) {
    (void)state;
    static const char *const timeouts[] = {"", "S", "1", "123456789S", "1x", "-1S", "1 S", "1.5S", "+1S", "1SS"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY, .timeout = timeouts[i]}, 0);
        grpc_send(h2, id, text_of("x"), H2_END_STREAM);
        if (!h2_await_stream_end(h2, id, 0)) fail_msg("'%s': the call does not end", timeouts[i]);
        struct grpc_result result = grpc_result(h2, id);
        if (result.code <= 0) fail_msg("'%s': status %d", timeouts[i], result.code);
    }
    expect_served(h2, "malformed time-outs");
    h2_close(h2);
}

static void cancellation_frees_at_once(void **state) {
    (void)state;
    enum { CALLS = 100, BYTES = 2000 };
    char bytes[BYTES];
    struct h2 *h2 = rig_greet(&rig);
    size_t before = rig_bytes(&rig);
    uint32_t ids[CALLS];
    for (size_t i = 0; i < CALLS; i++) {
        ids[i] = grpc_begin(h2, &(struct grpc_request){.path = i % 2 == 0 ? ECHO_SLEEP : ECHO_COLLECT}, 0);
        if (i % 4 == 0) grpc_send(h2, ids[i], text_of("whole"), H2_END_STREAM);
        else h2_write_frame(h2, H2_DATA, 0, ids[i], "\0\0\0\x0f\xffpartial", 12);
        if (i % 4 != 0) h2_write_frame(h2, H2_DATA, 0, ids[i], filled(bytes, sizeof bytes).data, 500);
    }
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    if (rig.echo.opened - rig.echo.closed != CALLS)
        fail_msg("%u calls are open, expected %d", rig.echo.opened - rig.echo.closed, CALLS);
    for (size_t i = 0; i < CALLS; i++) h2_write_reset(h2, ids[i], NGHTTP2_CANCEL);
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    if (rig.echo.opened != rig.echo.closed)
        fail_msg("%u calls are open after they were cancelled", rig.echo.opened - rig.echo.closed);
    if (rig_bytes(&rig) > before)
        fail_msg("%zu bytes are owned after all calls were cancelled", rig_bytes(&rig) - before);
    expect_served(h2, "cancellations");
    h2_close(h2);
}

static void a_lost_connection_closes_its_calls(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    for (int i = 0; i < 10; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = i % 2 == 0 ? ECHO_SLEEP : ECHO_STREAM}, 0);
        grpc_send(h2, id, text_of("x"), i % 2 == 0 ? H2_END_STREAM : 0);
    }
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    h2_close(h2);
    rig_turn(&rig, 3);
    if (rig.echo.opened != rig.echo.closed || rig.echo.opened != 10)
        fail_msg("%u calls were opened, %u closed; expected 10", rig.echo.opened, rig.echo.closed);
}

/* ---- streams ---- */

/* A service may finish before the client does; what the client still sends is dropped. */
static void a_call_may_end_before_the_client_has_finished(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = "/test.Echo/None"}, 0);
    expect_status(h2, id, MUSTER_UNIMPLEMENTED, "", "unknown");
    for (int i = 0; i < 20; i++) h2_write_frame(h2, H2_DATA, i == 19 ? H2_END_STREAM : 0, id, "\0\0\0\0\0", 5);
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    expect_served(h2, "DATA of a call that is over");
    h2_close(h2);
}

static void more_streams_than_the_limit_are_refused(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t limit = h2->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], last = 0;
    if (limit != 256) fail_msg("SETTINGS_MAX_CONCURRENT_STREAMS is %u, expected 256", limit);
    for (uint32_t i = 0; i < limit; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, 0);
        grpc_send_frame(h2, id, text_of("x"), H2_END_STREAM);
    }
    if (!h2_round_trip(h2, 0) || rig.echo.opened != limit) fail_msg("%u calls are opened", rig.echo.opened);
    h2_write_reset(h2, 1, NGHTTP2_CANCEL);
    expect_served(h2, "as many streams as may be");
    last = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, 0);
    grpc_send_frame(h2, last, text_of("x"), H2_END_STREAM);
    /* The client knows the limit, and acknowledged it: it may be told by a GOAWAY (RFC 9113, 5.1.2). */
    last = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, H2_END_STREAM);
    h2_await_stream_end(h2, last, 0);
    uint32_t error = h2->goaways > 0 ? h2->goaway_error : h2_stream(h2, last)->reset_error;
    if (error != NGHTTP2_REFUSED_STREAM && error != NGHTTP2_PROTOCOL_ERROR)
        fail_msg("a stream above the limit: error %u", error);
    if (rig.echo.opened > limit + 2) fail_msg("a stream above the limit is a call");
    h2_close(h2);
}

static int start(void **state) {
    (void)state;
    rig_open(&rig, &config);
    return 0;
}

static int stop(void **state) {
    (void)state;
    rig_close(&rig);
    return 0;
}

int main(int argc, char *argv[]) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(requests_that_are_no_calls_are_answered_in_http),
        TEST(content_types_of_grpc_are_taken),
        TEST(unknown_methods_are_unimplemented),
        TEST(a_unary_call_has_one_message),
        TEST(a_cut_message_is_refused),
        TEST(a_message_above_the_limit_is_refused_from_its_prefix),
        TEST(a_message_of_the_limit_is_taken),
        TEST(an_announced_length_allocates_nothing),
        TEST(gzip_is_taken),
        TEST(unknown_compressions_are_unimplemented),
        TEST(compressed_without_an_encoding_is_internal),
        TEST(a_gzip_bomb_is_refused),
        TEST(broken_gzip_and_flags_are_refused),
        TEST(trailers_count_as_headers_do),
        TEST(a_few_trailers_are_skipped),
        TEST(messages_of_statuses_are_percent_encoded),
        TEST(metadata_comes_and_goes),
        TEST(a_header_list_above_the_limit_is_refused),
        TEST(more_continuations_than_the_limit_are_refused),
        TEST(what_nghttp2_gives_up_for_is_told),
        TEST(resets_past_two_limits_are_told_once),
        TEST(a_timeout_ends_a_call),
        TEST(a_timeout_ends_a_call_that_is_not_sent_whole),
        TEST(a_timeout_of_nothing_ends_at_once),
        TEST(a_malformed_timeout_is_refused),
        TEST(cancellation_frees_at_once),
        TEST(a_lost_connection_closes_its_calls),
        TEST(a_call_may_end_before_the_client_has_finished),
        TEST(more_streams_than_the_limit_are_refused),
    };
    return cmocka_run_group_tests_name("gRPC: calls", tests, NULL, NULL);
}
