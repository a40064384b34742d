/* One line of a web server's access log in the common or the combined log format, with or without the virtual host
 * before it: [VHOST] host ident user [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 2326 "referrer" "user agent" …
 * (https://httpd.apache.org/docs/2.4/logs.html#accesslog). Of the quoted fields behind the size the second is the user
 * agent and the third the forwarded-for list; other fields there are ignored, complete or not. Pure, and safe in every
 * thread. */
#ifndef MUSTER_CLI_CLF_H
#define MUSTER_CLI_CLF_H

#include "access_line.h"
#include "skip.h"

/* Parses a line without its line end. The bytes may be anything. Names are not unescaped. out: texts point into the
 * line. SKIP_NONE, or why it is not in this format, and *out is zero. That the host is an address or a name is the
 * caller's to check. has_virtual_host: the first field is one. Cost O(length). */
enum skip clf_parse(struct text line, bool has_virtual_host, struct access_line *out);

#endif
