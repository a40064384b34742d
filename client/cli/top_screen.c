#include "top_screen.h"

#include <curses.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ncurses defines KEY_... macros: the names of enum view_key must differ from them. */

enum { ESCAPE_MS = 25 }; /* how long to wait for the rest of an escape sequence */

static bool is_open;

bool screen_open(void) {
    static bool has_handler;
    if (newterm(NULL, stdout, stdin) == NULL) return false;
    is_open = true;
    if (!has_handler) (void)atexit(screen_close);
    has_handler = true;
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)set_escdelay(ESCAPE_MS);
    if (has_colors() && start_color() == OK && use_default_colors() == OK) {
        (void)init_pair(STYLE_WARNING, COLOR_YELLOW, -1);
        (void)init_pair(STYLE_TROUBLE, COLOR_RED, -1);
    }
    screen_resize();
    return true;
}

void screen_close(void) {
    if (!is_open) return;
    is_open = false;
    (void)endwin();
}

void screen_resize(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
    (void)resizeterm(size.ws_row, size.ws_col);
    (void)clearok(stdscr, TRUE);
}

size_t screen_width(void) {
    const int columns = getmaxx(stdscr);
    return columns < 0 ? 0 : (size_t)columns;
}

size_t screen_height(void) {
    const int rows = getmaxy(stdscr);
    return rows < 0 ? 0 : (size_t)rows;
}

static attr_t attributes_of(enum screen_style style) {
    static const attr_t of[] = {
        [STYLE_PLAIN] = A_NORMAL, [STYLE_TITLE] = A_BOLD,   [STYLE_HEADER] = A_UNDERLINE, [STYLE_SELECTED] = A_REVERSE,
        [STYLE_WARNING] = A_BOLD, [STYLE_TROUBLE] = A_BOLD, [STYLE_HELP] = A_DIM};
    return of[style];
}

void screen_draw(const struct screen_text *screen) {
    (void)erase();
    for (size_t i = 0; i < screen->height; i++) {
        const struct screen_line *line = &screen->lines[i];
        const bool is_coloured = has_colors() && (line->style == STYLE_WARNING || line->style == STYLE_TROUBLE);
        /* ncurses reports an error for the last cell of the screen, although it draws it. */
        (void)mvaddstr((int)i, 0, line->text);
        (void)mvchgat((int)i, 0, -1, attributes_of(line->style), is_coloured ? (short)line->style : 0, NULL);
    }
    (void)curs_set(screen->has_cursor ? 1 : 0);
    if (screen->has_cursor) (void)move((int)screen->cursor_row, (int)screen->cursor_column);
    (void)refresh();
}

/* 0: the key is unknown. */
static uint32_t translate_key(wint_t code) {
    switch (code) {
    case KEY_UP:
        return KEY_OF_UP;
    case KEY_DOWN:
        return KEY_OF_DOWN;
    case KEY_PPAGE:
        return KEY_OF_PAGE_UP;
    case KEY_NPAGE:
        return KEY_OF_PAGE_DOWN;
    case KEY_HOME:
        return KEY_OF_HOME;
    case KEY_END:
        return KEY_OF_END;
    case KEY_ENTER:
        return KEY_OF_ENTER;
    case KEY_BACKSPACE:
        return KEY_OF_BACKSPACE;
    default:
        return 0;
    }
}

bool screen_key(uint32_t *key) {
    wint_t code;
    const int kind = get_wch(&code);
    *key = kind == KEY_CODE_YES ? translate_key(code) : kind == OK ? (uint32_t)code : 0;
    return kind != ERR;
}
