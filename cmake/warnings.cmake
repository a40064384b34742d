# Warnings are errors, with gcc and with clang. Generated code is not held to them.
add_library(muster_warnings INTERFACE)
target_compile_options(muster_warnings INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
    -Wwrite-strings -Wundef -Wformat=2 -Wvla -Wimplicit-fallthrough)
target_compile_definitions(muster_warnings INTERFACE _GNU_SOURCE)
