#include "command.h"
#include "rows.h"
#include "seal/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_MODE = 0600 };

struct keygen {
    struct command_input input;
    const char *kind, *path;
};

static error_t parse_keygen(int key, char *argument, struct argp_state *state) {
    struct keygen *keygen = state->input;
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    if (keygen->kind == NULL) keygen->kind = argument;
    else if (keygen->path == NULL) keygen->path = argument;
    else argp_error(state, "unexpected argument '%s'", argument);
    return 0;
}

static int report_key_error(const char *path, const char *what) {
    (void)fprintf(stderr, "muster: keygen: %s: %s\n", path, what);
    return STATUS_FAILED;
}

static bool write_all(int file, const char *text, size_t len) {
    while (len > 0) {
        ssize_t wrote = write(file, text, len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        text += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

/* An existing file may hold the only copy of a key in use, so it is never overwritten. */
static int write_new_file(const char *path, const char *text, size_t len) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, KEY_FILE_MODE);
    if (file < 0 && errno == EEXIST) return report_key_error(path, "it is there already, and is not overwritten");
    if (file < 0) return report_key_error(path, strerror(errno));
    bool is_written = fchmod(file, KEY_FILE_MODE) == 0 && write_all(file, text, len) && fsync(file) == 0;
    int error = errno;
    if (close(file) != 0 && is_written) {
        is_written = false;
        error = errno;
    }
    if (is_written) return STATUS_DONE;
    (void)unlink(path);
    return report_key_error(path, strerror(error));
}

static void print_key_hint(const struct globals *globals, const struct keygen *keygen) {
    if (globals->is_json) {
        json_t *object = json_object();
        json_object_set_new(object, "kind", json_string(keygen->kind));
        json_object_set_new(object, "path", json_text(keygen->path, strlen(keygen->path)));
        json_print(object);
        return;
    }
    (void)printf(
        "wrote a cluster key to %s, readable by its owner only (mode 0600)\n"
        "Next: copy it to every node of the cluster over a channel that you trust, keep the mode, and start each "
        "with\n"
        "  musterd --cluster-key-file %s --peer HOST ...\n"
        "Whoever has this file can join the cluster and read all messages between its nodes.\n",
        keygen->path, keygen->path);
}

static int run_keygen(struct globals *globals, int argc, char **argv) {
    struct keygen keygen = {.input = {globals}};
    command_parse(&command_keygen, NULL, parse_keygen,
                  "Nodes encrypt their messages to each other with the cluster key, and only nodes that have it can "
                  "join. An existing "
                  "file is not overwritten.",
                  argc, argv, &keygen);
    if (keygen.kind == NULL) command_usage(&command_keygen, "no kind of key was given; the only kind is `cluster'");
    if (strcmp(keygen.kind, "cluster") != 0)
        command_usage(&command_keygen, "unknown kind of key '%s'; the only kind is `cluster'", keygen.kind);
    if (keygen.path == NULL || *keygen.path == '\0') command_usage(&command_keygen, "no file was given");
    char text[KEYRING_FILE_BYTES_MAX];
    if (sodium_init() < 0) return report_key_error(keygen.path, "libsodium cannot start");
    size_t len = keyring_generate(text, sizeof text);
    int status = write_new_file(keygen.path, text, len);
    sodium_memzero(text, sizeof text);
    if (status == STATUS_DONE) print_key_hint(globals, &keygen);
    return status;
}

const struct command command_keygen = {"keygen", "cluster PATH", "Create a cluster key", run_keygen};
