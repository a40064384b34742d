#include "log_format.h"

#include "clf.h"

static const char *const names[LOG_FORMATS] = {"auto", "common", "combined", "vhost_combined", "json"};

const char *log_format_name(enum log_format format) {
    return names[format];
}

bool log_format_named(const char *name, enum log_format *out) {
    *out = FORMAT_COMBINED;
    if (strcmp(name, "clf") == 0) return true;
    for (enum log_format format = FORMAT_AUTO; format < LOG_FORMATS; format++) {
        if (strcmp(name, names[format]) != 0) continue;
        *out = format;
        return true;
    }
    return false;
}

enum skip log_format_parse(enum log_format format, struct json_line *json_line, struct text line,
                           struct access_line *out) {
    if (format == FORMAT_JSON) return json_line_parse(json_line, line, out);
    return clf_parse(line, format == FORMAT_VHOST_COMBINED, out);
}

enum log_format log_format_guess(struct json_line *json_line, const struct text *lines, size_t count) {
    size_t parsed[LOG_FORMATS] = {0}, with_agent = 0;
    struct access_line line;
    for (size_t i = 0; i < count; i++) {
        for (enum log_format format = FORMAT_COMBINED; format < LOG_FORMATS; format++)
            if (log_format_parse(format, json_line, lines[i], &line) == SKIP_NONE) parsed[format]++;
        if (clf_parse(lines[i], false, &line) == SKIP_NONE && line.has_agent) with_agent++;
    }
    enum log_format best = FORMAT_AUTO;
    for (enum log_format format = FORMAT_COMBINED; format < LOG_FORMATS; format++)
        if (parsed[format] > parsed[best]) best = format;
    return best == FORMAT_COMBINED && with_agent * 2 < parsed[best] ? FORMAT_COMMON : best;
}
