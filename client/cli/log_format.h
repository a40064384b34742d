/* The formats of access logs that are read. One thread. */
#ifndef MUSTER_CLI_LOG_FORMAT_H
#define MUSTER_CLI_LOG_FORMAT_H

#include "access_line.h"
#include "json_line.h"
#include "skip.h"

#include <stddef.h>

enum log_format { FORMAT_AUTO, FORMAT_COMMON, FORMAT_COMBINED, FORMAT_VHOST_COMBINED, FORMAT_JSON, LOG_FORMATS };

/* The name of a format on the command line. Static. */
const char *log_format_name(enum log_format format);

/* Reads the name of a format; clf stands for combined, of which common is the beginning. False: there is none. */
bool log_format_named(const char *name, enum log_format *out);

/* Parses a line in a format other than FORMAT_AUTO. FORMAT_COMMON and FORMAT_COMBINED read the same: what is behind the
 * size may be there or not. out: as of clf_parse and json_line_parse. SKIP_NONE, or why it is not in the format. */
enum skip log_format_parse(enum log_format format, struct json_line *json_line, struct text line,
                           struct access_line *out);

/* The format in which the most of these lines can be parsed; the simplest of several; FORMAT_AUTO: none can. */
enum log_format log_format_guess(struct json_line *json_line, const struct text *lines, size_t count);

#endif
