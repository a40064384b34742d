/* The terminal of `muster top`, by ncurses. Main thread only; there is one screen per program. */
#ifndef MUSTER_CLI_TOP_SCREEN_H
#define MUSTER_CLI_TOP_SCREEN_H

#include "top_screen_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes over the terminal of standard input and output. false: ncurses does not know the terminal's type, and nothing
 * is changed. screen_close restores the terminal, and so does exit(3). */
bool screen_open(void);
/* May be called twice. */
void screen_close(void);

/* Reads the size of the terminal after it changed. */
void screen_resize(void);
size_t screen_width(void);
size_t screen_height(void);

void screen_draw(const struct screen_text *screen);

/* Reads the next key, as view_press expects it, without waiting. false: there is none. */
bool screen_key(uint32_t *key);

#endif
