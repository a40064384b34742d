#include "replay_summary.h"

#include "datetime.h"
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The formats of all logs, `combined` or `combined, json`; "unknown" where no line could be parsed. */
static void name_formats(const struct visits *visits, char *out, size_t room) {
    size_t len = 0;
    *out = '\0';
    for (enum log_format format = FORMAT_AUTO; format < LOG_FORMATS; format++) {
        if (!visits->has_format[format]) continue;
        len += (size_t)snprintf(out + len, room - len, "%s%s", len == 0 ? "" : ", ",
                                format == FORMAT_AUTO ? "unknown" : log_format_name(format));
    }
}

static json_t *json_reasons(const struct visits *visits) {
    json_t *reasons = json_array();
    for (enum skip skip = SKIP_EMPTY; skip < SKIPS; skip++) {
        const struct skip_tally *tally = &visits->tallies[skip];
        if (tally->lines == 0) continue;
        json_array_append_new(reasons, json_pack("{s:s, s:I, s:I, s:o}", "reason", skip_word(skip), "lines",
                                                 (json_int_t)tally->lines, "first_line", (json_int_t)tally->first_line,
                                                 "sample", json_text(tally->sample, strlen(tally->sample))));
    }
    return reasons;
}

static void print_json_summary(const struct replay_plan *plan, const struct visits *visits, const char *from,
                               const char *to, const char *formats, bool is_guessed) {
    json_t *summary =
        json_pack("{s:I, s:I, s:I}", "lines", (json_int_t)visits->lines, "skipped",
                  (json_int_t)skip_total(visits->tallies, false), "users", (json_int_t)visits_users(visits));
    if (visits->count > 0) json_object_set_new(summary, "from", json_string(from));
    if (visits->count > 0) json_object_set_new(summary, "to", json_string(to));
    if (*formats != '\0') {
        json_object_set_new(summary, "format", json_string(formats));
        json_object_set_new(summary, "guessed", json_boolean(is_guessed));
    }
    if (plan->has_exclusions)
        json_object_set_new(summary, "excluded", json_integer((json_int_t)skip_total(visits->tallies, true)));
    json_t *reasons = json_reasons(visits);
    if (json_array_size(reasons) > 0) json_object_set(summary, "reasons", reasons);
    json_decref(reasons);
    json_print(summary);
}

static void print_reasons(const struct visits *visits) {
    for (enum skip skip = SKIP_EMPTY; skip < SKIPS; skip++) {
        const struct skip_tally *tally = &visits->tallies[skip];
        if (tally->lines == 0) continue;
        (void)printf("%s %" PRIu64 ": %s\n", skip_is_asked(skip) ? "excluded" : "skipped", tally->lines,
                     skip_sentence(skip));
        (void)printf("  line %" PRIu64 ": %s\n", tally->first_line, tally->sample);
    }
}

void replay_summary_print(const struct replay_plan *plan, const struct visits *visits) {
    char from[DATETIME_TEXT_BYTES] = "", to[DATETIME_TEXT_BYTES] = "", formats[96];
    if (visits->count > 0) datetime_format(visits->items[0].unix_ms, from);
    if (visits->count > 0) datetime_format(visits->items[visits->count - 1].unix_ms, to);
    name_formats(visits, formats, sizeof formats);
    const bool is_guessed = plan->rule.format == FORMAT_AUTO && !visits->has_format[FORMAT_AUTO];
    if (plan->globals->is_json) {
        print_json_summary(plan, visits, from, to, formats, is_guessed);
        return;
    }
    (void)printf("\n%" PRIu64 " lines, %" PRIu64 " skipped", visits->lines, skip_total(visits->tallies, false));
    if (plan->has_exclusions) (void)printf(", %" PRIu64 " excluded", skip_total(visits->tallies, true));
    (void)printf(", %zu users", visits_users(visits));
    (void)printf(visits->count > 0 ? ", from %s to %s\n" : "\n", from, to);
    if (*formats != '\0') (void)printf("format: %s%s\n", formats, is_guessed ? " (guessed)" : "");
    print_reasons(visits);
}
