#include "wall.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void wall_step(struct wall *wall, int64_t shift_ms) {
    int file = open(wall->file.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || pwrite(file, &shift_ms, sizeof shift_ms, 0) != (ssize_t)sizeof shift_ms || close(file) != 0) {
        perror(wall->file.path);
        abort();
    }
}

void wall_open(struct wall *wall, const struct tempdir *dir, const char *name, int64_t shift_ms) {
    wall->file = tempdir_path(dir, name);
    snprintf(wall->preload, sizeof wall->preload, "LD_PRELOAD=%s", WALL_SHIFT_PATH);
    snprintf(wall->shift, sizeof wall->shift, "WALL_SHIFT_FILE=%s", wall->file.path);
    /* The sanitizer's own library is not the first one then, which it would not have. */
    const char *const environment[WALL_ENVIRONMENT] = {wall->preload, wall->shift,
                                                       "ASAN_OPTIONS=verify_asan_link_order=0", NULL};
    for (int i = 0; i < WALL_ENVIRONMENT; i++) wall->environment[i] = environment[i];
    wall_step(wall, shift_ms);
}
