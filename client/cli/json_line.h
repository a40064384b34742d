/* One line of an access log that is a JSON object: nginx with a log_format of JSON, Caddy, Traefik and others. One
 * thread. */
#ifndef MUSTER_CLI_JSON_LINE_H
#define MUSTER_CLI_JSON_LINE_H

#include "access_line.h"
#include "skip.h"

/* Which field names the user of a visit. */
enum user_field { USER_HOST, USER_AUTHENTICATED, USER_FORWARDED_FIRST, USER_FORWARDED_LAST };

struct json_line;

/* user: the field that is wanted; the others are not read. user_path, time_path: paths such as request.remote_ip, with
 * a point between the keys; NULL: the first that the line has of those that known servers write. A key that contains
 * points is found too. Paths outlive the object. Ends the program if memory is short. */
struct json_line *json_line_new(enum user_field user, const char *user_path, const char *time_path);
void json_line_free(struct json_line *json_line);

/* Parses a line of any bytes. Strings and numbers are read, and of a list its first string, or the last for
 * USER_FORWARDED_LAST. out: texts are valid until the next call. SKIP_NONE, or why it cannot be used, and *out is
 * zero. */
enum skip json_line_parse(struct json_line *json_line, struct text line, struct access_line *out);

#endif
