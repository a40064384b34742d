/* Linked into the tests of real nodes, which play peers with libnng, where they are built with the thread sanitizer:
 * libnng is not, so that its counting of references to a message, which is atomic, is not seen; a message that is
 * published to several subscribers is freed by the last. */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "race:libnng.so\n";
}
