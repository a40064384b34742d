/* Linked into the tests of real nodes, which play peers with libnng, where they are built with the address sanitizer:
 * nng 1.5 leaks connections that are closed while they shake hands or wait to be accepted, and a message now and then
 * when a connection ends. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libnng.so\n";
}
