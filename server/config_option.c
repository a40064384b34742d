/* What the values of options may be. */
#include "config_option.h"
#include "common/duration.h"
#include "common/number.h"
#include "common/url.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_duration(const struct config_option *option, const char *text, uint64_t *out, struct error *error) {
    char least[DURATION_BYTES], most[DURATION_BYTES];
    if (!duration_parse(text, out))
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "'%.64s' is no duration; write 500ms, 60s, 1h30m or 7d",
                          text);
    if (*out >= option->least && *out <= option->most) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%.64s is out of range, %s to %s", text,
                      duration_format(option->least, least), duration_format(option->most, most));
}

/* A whole number and, where has_units, a unit of memory. */
static bool parse_number(const char *text, bool has_units, uint64_t *out) {
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    uint64_t number = 0;
    *out = 0;
    if (!number_take(&text, &number)) return false;
    for (size_t i = 0; i < (has_units ? sizeof units / sizeof units[0] : 1); i++) {
        if (strcmp(text, units[i].name) != 0) continue;
        if (number > UINT64_MAX >> units[i].shift) return false;
        *out = number << units[i].shift;
        return true;
    }
    return false;
}

static bool read_number(const struct config_option *option, const char *text, uint64_t *out, struct error *error) {
    if (!parse_number(text, false, out))
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "'%.64s' is no whole number", text);
    if (*out >= option->least && *out <= option->most) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%.64s is out of range, %" PRIu64 " to %" PRIu64, text,
                      option->least, option->most);
}

static bool read_size(const struct config_option *option, const char *text, uint64_t *out, struct error *error) {
    if (!parse_number(text, true, out))
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "'%.64s' is no size; write 512MiB, 4GiB or a number of bytes",
                          text);
    if (*out >= option->least && *out <= option->most) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%.64s is out of range, at least %" PRIu64 "KiB", text,
                      option->least >> 10);
}

static bool read_choice(const struct config_option *option, const char *text, unsigned *out, struct error *error) {
    for (unsigned i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(text, option->choices[i]) != 0) continue;
        *out = i;
        return true;
    }
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "'%.64s' is none of its values; see --help", text);
}

static bool read_text(const struct config_option *option, const char *text, const char **out, struct error *error) {
    size_t len = strlen(text);
    *out = text;
    if (len >= option->least && len <= option->most) return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "%zu bytes, %" PRIu64 " to %" PRIu64, len, option->least,
                      option->most);
}

static bool read_path(const char *text, const char **out, struct error *error) {
    *out = text;
    if (*text != '\0') return true;
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "its name is missing");
}

static bool check_listener(const char *url, struct error *error) {
    if (url_reach(url, error) != REACH_NONE) return true;
    return error_prefix(error, "cannot listen on '%.100s'", url);
}

static bool read_listener(const char *url, const char **out, struct error *error) {
    *out = url;
    if (strncmp(url, "tcp://", 6) == 0) return check_listener(url, error);
    return error_fail(error, MUSTER_INVALID_ARGUMENT, "'%.100s' must begin with tcp://", url);
}

static bool read_rpc_listener(const char *url, struct config_urls *out, struct error *error) {
    if (out->count == CONFIG_RPC_URLS_MAX)
        return error_fail(error, MUSTER_INVALID_ARGUMENT, "more than %d of them", CONFIG_RPC_URLS_MAX);
    if (!check_listener(url, error)) return false;
    out->items[out->count++] = url;
    return true;
}

static bool read_address(const char *address, char out[URL_BYTES], struct error *error) {
    struct error ignored;
    out[0] = '\0';
    if (strcmp(address, "none") == 0) return true;
    int len = snprintf(out, URL_BYTES, "tcp://%s", address);
    bool has_room_for_tls = len < URL_BYTES - (int)strlen("tls+");
    if (has_room_for_tls && url_reach(out, &ignored) != REACH_NONE) return true;
    out[0] = '\0';
    return error_fail(error, MUSTER_INVALID_ARGUMENT,
                      "'%.100s' is no address; write HOST:PORT, with a port of 0 to 65535, or none", address);
}

static bool read_peer(const char *text, struct config_seeds *out, struct error *error) {
    if (out->count == SEEDS_MAX) return error_fail(error, MUSTER_INVALID_ARGUMENT, "more than %d of them", SEEDS_MAX);
    if (!seed_read(text, &out->items[out->count], error)) return error_prefix(error, "'%.100s' is no peer", text);
    out->count++;
    return true;
}

bool config_option_set(const struct config_option *option, const char *text, struct config *config,
                       struct error *error) {
    void *field = (char *)config + option->offset;
    assert((text == NULL) == (option->kind == OPTION_FLAG));
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_DURATION:
        return read_duration(option, text, field, error);
    case OPTION_NUMBER:
        return read_number(option, text, field, error);
    case OPTION_SIZE:
        return read_size(option, text, field, error);
    case OPTION_CHOICE:
        return read_choice(option, text, field, error);
    case OPTION_TEXT:
        return read_text(option, text, field, error);
    case OPTION_PATH:
        return read_path(text, field, error);
    case OPTION_LISTENER:
        return read_listener(text, field, error);
    case OPTION_RPC_LISTENER:
        return read_rpc_listener(text, field, error);
    case OPTION_ADDRESS:
        return read_address(text, field, error);
    case OPTION_PEER:
        return read_peer(text, field, error);
    }
    assert(!"an option of no kind");
    return false;
}

/* "10ms to 1s", "debug, info, warn or error", or nothing. */
static void describe_range(const struct config_option *option, char *out, size_t capacity) {
    char least[DURATION_BYTES], most[DURATION_BYTES];
    *out = '\0';
    if (option->kind == OPTION_DURATION)
        (void)snprintf(out, capacity, "%s to %s", duration_format(option->least, least),
                       duration_format(option->most, most));
    if (option->kind == OPTION_NUMBER)
        (void)snprintf(out, capacity, "%" PRIu64 " to %" PRIu64, option->least, option->most);
    if (option->kind != OPTION_CHOICE) return;
    for (size_t i = 0, len = 0; option->choices[i] != NULL && len < capacity; i++) {
        const char *joint = i == 0 ? "" : option->choices[i + 1] != NULL ? ", " : " or ";
        len += (size_t)snprintf(out + len, capacity - len, "%s%s", joint, option->choices[i]);
    }
}

const char *config_option_help(const struct config_option *option, char out[CONFIG_HELP_BYTES]) {
    char range[CONFIG_HELP_BYTES / 4];
    const char *initial = option->initial != NULL ? option->initial : option->computed;
    describe_range(option, range, sizeof range);
    if (*range == '\0' && initial == NULL) (void)snprintf(out, CONFIG_HELP_BYTES, "%s", option->help);
    else
        (void)snprintf(out, CONFIG_HELP_BYTES, "%s (%s%s%s%s)", option->help, range,
                       *range != '\0' && initial != NULL ? "; " : "", initial != NULL ? "default " : "",
                       initial != NULL ? initial : "");
    return out;
}
