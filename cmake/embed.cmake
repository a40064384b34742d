# Writes a file as C arrays: cmake -D NAME=name -D IN=file -D OUT=file.c -P embed.cmake
# OUT defines `const unsigned char NAME[]` and `const unsigned int NAME_len`.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REPEAT "0x..," 24 line)
string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT}
    "extern const unsigned char ${NAME}[];\nextern const unsigned int ${NAME}_len;\n"
    "const unsigned char ${NAME}[] = {\n${bytes}\n};\nconst unsigned int ${NAME}_len = sizeof ${NAME};\n")
