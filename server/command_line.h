/* The command line of musterd. */
#ifndef MUSTER_COMMAND_LINE_H
#define MUSTER_COMMAND_LINE_H

#include "config.h"

/* Fills *config, whose address must not change afterwards, from the command line, whose texts it borrows. Ends the
 * program with status 0 after --help and --version, and with status 2 and a sentence on standard error where an option
 * is wrong, in itself or beside the others. */
void command_line_read(struct config *config, int argc, char **argv);

#endif
