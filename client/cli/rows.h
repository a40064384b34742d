/* The rows that several commands print: users, as a table or as JSON. One thread. */
#ifndef MUSTER_CLI_ROWS_H
#define MUSTER_CLI_ROWS_H

#include "command.h"
#include "table.h"

#include <jansson.h>

/* Prints an object as one compact line, keys in the order in which they were set, and releases the reference. */
void json_print(json_t *object);

/* A JSON string of bytes that should be UTF-8; other bytes are escaped as by text_escape. New reference. */
json_t *json_text(const char *data, size_t len);

/* The live sessions of a user, as a list; the request must have included them. New reference. */
json_t *json_sessions(const struct muster_user *user);

/* The next cell: a status, "-" where there is none. */
void table_user_status(struct table *table, enum muster_status status);

/* Prints users, each as a row; with sessions, a table has a row for each session and JSON a list `session_list`. */
struct user_rows;

/* scope: shown in JSON; outlives the rows; NULL or "": the default scope. */
struct user_rows *user_rows_new(bool is_json, bool has_sessions, const char *scope);
/* The same for users of several scopes: each row has its scope behind the user. */
struct user_rows *user_rows_new_of_scopes(bool is_json, bool has_sessions);
/* The scope of the rows that follow; outlives their printing. */
void user_rows_scope(struct user_rows *rows, const char *scope);
/* name: the user's, since an answer to Live does not repeat it. */
void user_rows_print(struct user_rows *rows, const char *name, const struct muster_user *user);
/* Prints the buffered rows and frees. status: of the command; if it failed, the title line is omitted unless there are
 * rows. `rows` may be NULL. */
void user_rows_finish(struct user_rows *rows, int status);

#endif
