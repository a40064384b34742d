#include "crawlers.h"

#include <strings.h>

/* Parts of user agents as the programs' own pages give them, in lower case and in the order of their bytes, which
 * by_pair relies on. */
static const char *const tokens[] = {
    "-bot",
    "360spider",
    "adidxbot",
    "adsbot-google",
    "amazonbot",
    "anthropic-ai",
    "apis-google",
    "appengine-google",
    "applebot",
    "archive.org_bot",
    "baiduspider",
    "barkrowler",
    "bingpreview",
    "blexbot",
    "bot)",
    "bot/",
    "bot;",
    "bytespider",
    "ccbot",
    "changedetection",
    "chatgpt-user",
    "claude-web",
    "cohere-ai",
    "commafeed",
    "crawler/",
    "daum/",
    "digg feed fetcher",
    "duckduckgo-favicons",
    "elb-healthchecker",
    "embedly",
    "exabot",
    "facebookcatalog",
    "facebookexternalhit",
    "feedbin",
    "feedburner",
    "feedfetcher",
    "feedly",
    "flipboardproxy",
    "flipboardrss",
    "google-extended",
    "google-inspectiontool",
    "google-read-aloud",
    "google-site-verification",
    "googlebot",
    "googlehc",
    "googleother",
    "heritrix",
    "ia_archiver",
    "kube-probe",
    "linkedinbot",
    "lumibot",
    "mediapartners-google",
    "meta-externalagent",
    "meta-externalfetcher",
    "mj12bot",
    "msnbot",
    "netcraftsurveyagent",
    "newsblur",
    "oai-searchbot",
    "perplexity-user",
    "pingdom",
    "pinterest/",
    "qwantify",
    "scrapy",
    "screaming frog",
    "semrush",
    "seznambot",
    "simplepie",
    "site24x7",
    "skypeuripreview",
    "slack-imgproxy",
    "slackbot",
    "slurp",
    "sogou web spider",
    "spider/",
    "spider;",
    "statuscake",
    "storebot-google",
    "telegrambot",
    "theoldreader",
    "tiny tiny rss",
    "twitterbot",
    "universalfeedparser",
    "uptimerobot",
    "voilabot",
    "w3c_validator",
    "yandex.com/bots",
    "yeti/",
    "yisouspider",
};

enum { TOKENS = sizeof tokens / sizeof tokens[0], ASCII = 128 };

_Static_assert(TOKENS < UINT8_MAX, "by_pair holds their numbers");

/* 1 + the first token that begins with these two bytes; 0: none does. */
static uint8_t by_pair[ASCII][ASCII];

static void prepare_pairs(void) {
    for (size_t i = TOKENS; i-- > 0;)
        by_pair[(unsigned char)tokens[i][0]][(unsigned char)tokens[i][1]] = (uint8_t)(i + 1);
}

static unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool begins_with_token(const char *text, size_t len) {
    const unsigned char first = lower(text[0]), second = lower(text[1]);
    if (first >= ASCII || second >= ASCII) return false;
    for (size_t i = by_pair[first][second]; i > 0 && i <= TOKENS && (unsigned char)tokens[i - 1][0] == first; i++) {
        const size_t token_len = strlen(tokens[i - 1]);
        if (token_len <= len && strncasecmp(text, tokens[i - 1], token_len) == 0) return true;
    }
    return false;
}

bool crawlers_know(struct text agent) {
    if (by_pair['-']['b'] == 0) prepare_pairs();
    for (size_t at = 0; agent.len >= 2 && at < agent.len - 1; at++)
        if (begins_with_token(agent.data + at, agent.len - at)) return true;
    return false;
}
