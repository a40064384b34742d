#include "plot.h"

#include "datetime.h"
#include "escape.h"
#include "memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In pixels. */
enum {
    WIDTH = 800,
    HEIGHT = 400,
    LEFT = 64,
    RIGHT = 660,
    TOP = 40,
    BOTTOM = 340,
    COLUMNS = RIGHT - LEFT + 1,
    LEGEND_X = RIGHT + 14,
    LEGEND_STEP = 17
};

enum { TITLE_BYTES_MAX = 70, TICKS_MAX = 6, FLAT_FACTOR = 20 };

/* The values of a series at one pixel of the time axis. */
struct column {
    uint64_t values; /* how many */
    uint64_t first, last, least, most;
};

struct series {
    char *name;
    uint64_t most;
    struct column columns[COLUMNS];
};

struct plot {
    char *title;
    int64_t from_ms, to_ms;
    size_t count;
    struct series *series;
};

/* An axis of counts. */
struct scale {
    double most;
    bool is_logarithmic;
};

struct plot *plot_new(const char *title, const char *const *names, size_t series, int64_t from_ms, int64_t to_ms) {
    if (series == 0 || series > PLOT_SERIES_MAX) abort();
    struct plot *p = memory_new(sizeof *p);
    p->title = memory_text(title, strlen(title));
    p->from_ms = from_ms;
    p->to_ms = to_ms;
    p->count = series;
    p->series = memory_new(series * sizeof *p->series);
    for (size_t i = 0; i < series; i++) p->series[i].name = memory_text(names[i], strlen(names[i]));
    return p;
}

void plot_free(struct plot *p) {
    if (p == NULL) return;
    for (size_t i = 0; i < p->count; i++) free(p->series[i].name);
    free(p->series);
    free(p->title);
    free(p);
}

static double x_of(const struct plot *p, int64_t at_ms) {
    if (p->to_ms <= p->from_ms) return (LEFT + RIGHT) / 2.0;
    return LEFT + (double)(at_ms - p->from_ms) / (double)(p->to_ms - p->from_ms) * (RIGHT - LEFT);
}

void plot_add(struct plot *p, int64_t at_ms, const uint64_t *values) {
    const long at = lround(x_of(p, at_ms)) - LEFT;
    const size_t column = at < 0 ? 0 : at >= COLUMNS ? COLUMNS - 1 : (size_t)at;
    for (size_t i = 0; i < p->count; i++) {
        struct series *s = &p->series[i];
        struct column *c = &s->columns[column];
        if (c->values++ == 0) c->first = c->least = c->most = values[i];
        c->last = values[i];
        if (values[i] < c->least) c->least = values[i];
        if (values[i] > c->most) c->most = values[i];
        if (values[i] > s->most) s->most = values[i];
    }
}

static double y_of(const struct scale *scale, double users) {
    const double share = scale->is_logarithmic ? log1p(users) / log1p(scale->most) : users / scale->most;
    return BOTTOM - share * (BOTTOM - TOP);
}

/* Writes text of any bytes as the content of an element. */
static void write_text(FILE *out, const char *text, size_t len_max) {
    size_t len = strlen(text);
    const bool is_cut = len > len_max;
    if (is_cut) len = len_max;
    while (is_cut && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) len--;
    char *escaped = memory_new(len * ESCAPE_GROWTH + 1);
    (void)text_escape(text, len, escaped);
    for (const char *c = escaped; *c != '\0'; c++) {
        const char *entity = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : NULL;
        if (entity != NULL) (void)fputs(entity, out);
        else (void)fputc(*c, out);
    }
    if (is_cut) (void)fputs("…", out);
    free(escaped);
}

/* 1, 2 or 5 times a power of ten: the least that makes at most TICKS_MAX steps up to `most`. */
static double step_up_to(double most) {
    static const double factors[] = {1, 2, 5};
    for (double power = 1;; power *= 10)
        for (size_t i = 0; i < 3; i++)
            if (most / (factors[i] * power) <= TICKS_MAX) return factors[i] * power;
}

static struct scale scale_of(const struct plot *p) {
    uint64_t most = 0, least = UINT64_MAX;
    for (size_t i = 0; i < p->count; i++) {
        if (p->series[i].most > most) most = p->series[i].most;
        if (p->series[i].most < least) least = p->series[i].most;
    }
    const double step = step_up_to((double)most);
    const double rounded = most == 0 ? 1 : ceil((double)most / step) * step;
    return (struct scale){rounded, least > 0 && most / least >= FLAT_FACTOR};
}

static void write_count_tick(FILE *out, const struct scale *scale, double users) {
    const double y = y_of(scale, users);
    (void)fprintf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT, y, RIGHT, y);
    (void)fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 6, y + 4, users);
}

static void write_count_axis(FILE *out, const struct scale *scale) {
    const double step = scale->is_logarithmic ? 0 : step_up_to(scale->most);
    for (double users = 0; step > 0 && users <= scale->most; users += step) write_count_tick(out, scale, users);
    if (scale->is_logarithmic) write_count_tick(out, scale, 0);
    for (double users = 1; step == 0 && users <= scale->most; users *= 10) write_count_tick(out, scale, users);
    if (step == 0 && log10(scale->most) - floor(log10(scale->most)) > 0.2) write_count_tick(out, scale, scale->most);
    (void)fprintf(out, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">users%s</text>\n",
                  (TOP + BOTTOM) / 2, scale->is_logarithmic ? " (logarithmic)" : "");
}

/* The time between two marks of the time axis. */
static int64_t time_step_ms(int64_t span_ms) {
    static const int64_t steps_s[] = {1,    2,    5,    10,    15,    30,    60,    120,    300,    600,     900,
                                      1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000};
    for (size_t i = 0; i < sizeof steps_s / sizeof steps_s[0]; i++)
        if (span_ms / (steps_s[i] * 1000) <= TICKS_MAX) return steps_s[i] * 1000;
    int64_t years = 1;
    while (span_ms / (years * 31536000 * 1000) > TICKS_MAX) years *= 2;
    return years * 31536000 * 1000;
}

/* `05-17 12:00`, with less of it where the marks are further apart or closer. */
static void write_time_label(FILE *out, int64_t at_ms, int64_t step_ms) {
    char at[DATETIME_TEXT_BYTES];
    datetime_format(at_ms, at);
    at[10] = ' ';
    if (step_ms >= INT64_C(28) * 86400 * 1000) (void)fprintf(out, "%.10s", at);
    else if (step_ms >= 86400 * 1000) (void)fprintf(out, "%.5s", at + 5);
    else if (step_ms >= 60 * 1000) (void)fprintf(out, "%.11s", at + 5);
    else (void)fprintf(out, "%.8s", at + 11);
}

static void write_time_axis(FILE *out, const struct plot *p) {
    char from[DATETIME_TEXT_BYTES], to[DATETIME_TEXT_BYTES];
    const int64_t step_ms = time_step_ms(p->to_ms - p->from_ms);
    const int64_t since = p->from_ms % step_ms;
    int64_t at_ms = p->from_ms - since + (since > 0 ? step_ms : 0);
    for (; at_ms <= p->to_ms; at_ms += step_ms) {
        const double x = x_of(p, at_ms);
        (void)fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", x, TOP, x, BOTTOM + 4);
        (void)fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x, BOTTOM + 18);
        write_time_label(out, at_ms, step_ms);
        (void)fputs("</text>\n", out);
    }
    datetime_format(p->from_ms, from);
    datetime_format(p->to_ms, to);
    (void)fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">time (UTC), %s to %s</text>\n",
                  (LEFT + RIGHT) / 2, BOTTOM + 42, from, to);
    (void)fprintf(out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, BOTTOM, RIGHT);
}

/* Colours that colour-blind people tell apart: M. Okabe and K. Ito, "Color Universal Design". After the last one they
 * come again, dashed. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
enum { COLOURS = sizeof colours / sizeof colours[0] };

static void write_stroke(FILE *out, size_t number) {
    (void)fprintf(out, "stroke=\"%s\"%s", colours[number % COLOURS],
                  number >= 2 * COLOURS ? " stroke-dasharray=\"2 3\""
                  : number >= COLOURS   ? " stroke-dasharray=\"7 3\""
                                        : "");
}

static void write_column(FILE *out, const struct scale *scale, int x, const struct column *c) {
    const uint64_t values[] = {c->first, c->least, c->most, c->last};
    const size_t count = c->least == c->most ? 1 : 4;
    for (size_t i = 0; i < count; i++) (void)fprintf(out, "%d,%.1f ", x, y_of(scale, (double)values[i]));
}

static void write_series(FILE *out, const struct scale *scale, const struct series *s, size_t number) {
    size_t used = 0, last = 0;
    (void)fputs("<polyline class=\"line\" ", out);
    write_stroke(out, number);
    (void)fputs(" points=\"", out);
    for (size_t i = 0; i < COLUMNS; i++) {
        if (s->columns[i].values == 0) continue;
        write_column(out, scale, LEFT + (int)i, &s->columns[i]);
        last = i;
        used++;
    }
    (void)fputs("\"/>\n", out);
    if (used != 1) return;
    (void)fprintf(out, "<circle cx=\"%d\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", LEFT + (int)last,
                  y_of(scale, (double)s->columns[last].last), colours[number % COLOURS]);
}

static void write_legend(FILE *out, const struct series *s, size_t number) {
    const int y = TOP + 8 + (int)number * LEGEND_STEP;
    (void)fprintf(out, "<line class=\"line\" ");
    write_stroke(out, number);
    (void)fprintf(out, " x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEGEND_X, y, LEGEND_X + 22, y);
    (void)fprintf(out, "<text x=\"%d\" y=\"%d\">", LEGEND_X + 28, y + 4);
    write_text(out, s->name, 14);
    (void)fputs("</text>\n", out);
}

void plot_write(const struct plot *p, FILE *out) {
    const struct scale scale = scale_of(p);
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
                  "<style>text{font:12px sans-serif;fill:#222}.grid{stroke:#ddd}.axis{stroke:#222;fill:none}"
                  ".line{stroke-width:1.6;fill:none;stroke-linejoin:round}</style>\n"
                  "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"22\" style=\"font-size:14px\">",
                  WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
    write_text(out, p->title, TITLE_BYTES_MAX);
    (void)fputs("</text>\n", out);
    write_count_axis(out, &scale);
    write_time_axis(out, p);
    for (size_t i = p->count; i-- > 0;) write_series(out, &scale, &p->series[i], i);
    for (size_t i = 0; i < p->count; i++) write_legend(out, &p->series[i], i);
    (void)fputs("</svg>\n", out);
}
