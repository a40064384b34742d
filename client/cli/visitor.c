#include "visitor.h"

#include "common/utf8.h"
#include "crawlers.h"
#include "muster/limits.h"

static bool is_nobody(struct text name) {
    return name.len == 0 || text_equal(name, text_of("-")) || text_equal(name, text_of("\"\""));
}

static bool is_id(struct text name) {
    return name.len <= MUSTER_ID_BYTES_MAX && memchr(name.data, '\0', name.len) == NULL &&
           utf8_valid(name.data, name.len);
}

static enum skip host_of(const struct visitor_rule *rule, struct text host, char buffer[ADDRESS_BYTES],
                         struct text *user) {
    if (is_nobody(host)) return rule->is_any_text ? SKIP_NOBODY : SKIP_NO_HOST;
    *user = address_canonical(host, buffer);
    if (user->len > 0) return SKIP_NONE;
    if (!rule->is_any_text && !address_is_host_name(host)) return SKIP_HOST;
    *user = host;
    return SKIP_NONE;
}

/* Who a server has let in: the user of an answer 401 or 403 has not shown to be the one. */
static enum skip authenticated_of(const struct access_line *line, struct text *user) {
    if (is_nobody(line->user)) return SKIP_NOBODY;
    if (line->status == 401 || line->status == 403) return SKIP_LOGIN;
    *user = line->user;
    return SKIP_NONE;
}

static enum skip user_of(const struct visitor_rule *rule, const struct access_line *line, char buffer[ADDRESS_BYTES],
                         struct text *user) {
    if (rule->user == USER_HOST) return host_of(rule, line->host, buffer, user);
    if (rule->user == USER_AUTHENTICATED) return authenticated_of(line, user);
    *user = address_canonical(address_list_item(line->forwarded, rule->user == USER_FORWARDED_LAST), buffer);
    return user->len > 0 ? SKIP_NONE : SKIP_NOBODY;
}

enum skip visitor_of(const struct visitor_rule *rule, const struct access_line *line, char buffer[ADDRESS_BYTES],
                     struct text *user) {
    struct text found = {NULL, 0};
    *user = found;
    if (rule->excluded.has[line->status]) return SKIP_STATUS;
    if (rule->leaves_out_bots && crawlers_know(line->agent)) return SKIP_BOT;
    const enum skip skip = user_of(rule, line, buffer, &found);
    if (skip != SKIP_NONE) return skip;
    if (!is_id(found)) return SKIP_ID;
    *user = found;
    return SKIP_NONE;
}
