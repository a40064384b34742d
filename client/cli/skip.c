#include "skip.h"

#include <stdio.h>

static const struct {
    const char *word, *sentence;
} names[SKIPS] = {
    [SKIP_NONE] = {"", ""},
    [SKIP_EMPTY] = {"empty", "the line is empty"},
    [SKIP_CUT] = {"too_long", "the line is longer than 65536 bytes, and its beginning is not understood"},
    [SKIP_QUOTED] = {"quoted", "the whole line is quoted"},
    [SKIP_SYSLOG] = {"syslog_prefix", "a syslog prefix stands before the host"},
    [SKIP_ADDRESS_LIST] = {"address_list", "a list of addresses stands in place of the host"},
    [SKIP_VIRTUAL_HOST] = {"virtual_host", "a virtual host stands before the host, as in vhost_combined"},
    [SKIP_FIELDS] = {"no_fields", "host, ident, user and [time] are not found"},
    [SKIP_TIME] = {"bad_time", "the time is not as in [17/May/2015:10:05:03 +0000]"},
    [SKIP_REQUEST] = {"no_request", "a quoted request, a status and a size do not follow the time"},
    [SKIP_JSON] = {"not_json", "the line is not a JSON object"},
    [SKIP_USER_FIELD] = {"no_user_field", "there is no field with the user"},
    [SKIP_TIME_FIELD] = {"no_time_field", "there is no field with a time that is understood"},
    [SKIP_NO_HOST] = {"no_host", "the host is missing or -"},
    [SKIP_HOST] = {"bad_host", "the host is neither an address nor a host name"},
    [SKIP_NOBODY] = {"nobody", "no user is named: the field is missing, empty, - or not an address"},
    [SKIP_LOGIN] = {"login_failed", "the user of an answer 401 or 403 is a claim only"},
    [SKIP_ID] = {"bad_id", "the user is longer than 128 bytes, not UTF-8, or contains NUL"},
    [SKIP_STATUS] = {"excluded_status", "left out by --exclude-status"},
    [SKIP_BOT] = {"bot", "left out by --bots"},
};

const char *skip_word(enum skip skip) {
    return names[skip].word;
}

const char *skip_sentence(enum skip skip) {
    return names[skip].sentence;
}

bool skip_is_asked(enum skip skip) {
    return skip == SKIP_STATUS || skip == SKIP_BOT;
}

void skip_count(struct skip_tally *tallies, enum skip skip, struct text text, uint64_t line_number) {
    struct skip_tally *tally = &tallies[skip];
    if (tally->lines++ > 0) return;
    const bool is_cut = text.len > SKIP_SAMPLE_BYTES;
    uint32_t len = is_cut ? SKIP_SAMPLE_BYTES : text.len;
    while (is_cut && len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80) len--; /* not within a character */
    const size_t at = text_escape(text.data, len, tally->sample);
    (void)snprintf(tally->sample + at, sizeof tally->sample - at, "%s", is_cut ? "..." : "");
    tally->first_line = line_number;
}

uint64_t skip_total(const struct skip_tally *tallies, bool is_asked) {
    uint64_t total = 0;
    for (enum skip skip = SKIP_EMPTY; skip < SKIPS; skip++)
        if (skip_is_asked(skip) == is_asked) total += tallies[skip].lines;
    return total;
}
