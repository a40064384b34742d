/* The terminal that `muster top` draws on, by ncurses. The main thread's, and there is one. */
#ifndef MUSTER_CLI_TOP_SCREEN_H
#define MUSTER_CLI_TOP_SCREEN_H

#include "top_screen_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes over the terminal of standard input and output. false: it is of a type that ncurses does not know, and nothing
 * is changed. The terminal is restored by screen_close, and where the program ends by exit(3). */
bool screen_open(void);
/* Twice is harmless. */
void screen_close(void);

/* Asks the terminal how large it is, after it changed. */
void screen_resize(void);
size_t screen_width(void);
size_t screen_height(void);

void screen_draw(const struct screen_text *screen);

/* The next key that was pressed, as view_press takes it, without waiting. false: there is none. */
bool screen_key(uint32_t *key);

#endif
