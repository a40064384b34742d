/* A walk over all pages of a List. It requests the next page while its caller reads this one. */
#include "client.h"
#include "client_error.h"
#include "options.h"

#include <stdlib.h>

struct muster_walk {
    struct muster_client *client;
    struct muster_query query; /* its strings are the walk's */
    char *scope, *page_token;
    struct result *page, *ahead;
    size_t at;      /* the next user of `page` */
    bool is_waited; /* `ahead` was requested; used by the walk's thread alone */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_come; /* guarded by the mutex */
    struct muster_error error;
};

static void walk_page_came(void *arg, const struct muster_error *error) {
    struct muster_walk *walk = arg;
    pthread_mutex_lock(&walk->mutex);
    walk->error = *error;
    walk->has_come = true;
    pthread_cond_signal(&walk->changed);
    pthread_mutex_unlock(&walk->mutex);
}

/* Requests the page at `page_token`. A failure is in walk->error. */
static void walk_request(struct muster_walk *walk, const char *page_token) {
    struct call *call = call_take(walk->client, true, &walk->error);
    if (call == NULL) return;
    struct muster_query query = walk->query;
    query.page_token = page_token;
    call->attempt->answer =
        (struct answer){.kind = REPLY_LIST, .has_sessions = query.with_sessions, .result = walk->ahead};
    call->is_page = true;
    call->callback.page = walk_page_came;
    call->callback_arg = walk;
    if (request_list(&call->attempt->request, walk->client->token, &query, &walk->error) != MUSTER_OK) {
        call_give(call);
        return;
    }
    walk->has_come = false;
    walk->is_waited = true;
    call_launch(call);
}

static void walk_wait(struct muster_walk *walk) {
    if (!walk->is_waited) return;
    pthread_mutex_lock(&walk->mutex);
    while (!walk->has_come) pthread_cond_wait(&walk->changed, &walk->mutex);
    pthread_mutex_unlock(&walk->mutex);
    walk->is_waited = false;
}

static void walk_free(struct muster_walk *walk) {
    result_free(walk->page);
    result_free(walk->ahead);
    free(walk->scope);
    free(walk->page_token);
    pthread_cond_destroy(&walk->changed);
    pthread_mutex_destroy(&walk->mutex);
    free(walk);
}

/* NULL or a copy; false: memory is short. */
static bool copy_string(const char *string, char **copy) {
    *copy = string == NULL ? NULL : strdup(string);
    return string == NULL || *copy != NULL;
}

static struct muster_walk *walk_new(struct muster_client *client, const struct muster_query *query) {
    struct muster_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) return NULL;
    walk->client = client;
    pthread_mutex_init(&walk->mutex, NULL);
    pthread_cond_init(&walk->changed, NULL);
    walk->query = *query;
    walk->page = result_new();
    walk->ahead = result_new();
    bool is_copied =
        copy_string(walk->query.scope, &walk->scope) && copy_string(walk->query.page_token, &walk->page_token);
    if (!is_copied || walk->page == NULL || walk->ahead == NULL) {
        walk_free(walk);
        return NULL;
    }
    walk->query.scope = walk->scope;
    return walk;
}

enum muster_code muster_walk_open_sized(struct muster_client *client, const struct muster_query *query,
                                        size_t query_size, struct muster_walk **walk, struct muster_error *error) {
    struct muster_query known;
    *walk = NULL;
    enum muster_code code = options_copy(&known, sizeof known, query, query_size, error);
    if (code != MUSTER_OK) return code;
    struct muster_walk *made = walk_new(client, &known);
    if (made == NULL) return client_error_no_memory(error);
    walk_request(made, made->page_token);
    if (!made->is_waited) {
        code = made->error.code;
        if (error != NULL) *error = made->error;
        walk_free(made);
        return code;
    }
    *walk = made;
    return client_error_none(error);
}

/* Makes `ahead` the page that is read, and requests the one after it. False: there is no next page. */
static bool walk_next_page(struct muster_walk *walk) {
    if (!walk->is_waited || client_is_inherited(walk->client)) return false;
    walk_wait(walk);
    if (walk->error.code != MUSTER_OK) return false;
    struct result *turned = walk->page;
    walk->page = walk->ahead;
    walk->ahead = turned;
    walk->at = 0;
    if (walk->page->view.users.next_page_token[0] != '\0') walk_request(walk, walk->page->view.users.next_page_token);
    return true;
}

const struct muster_user *muster_walk_next(struct muster_walk *walk) {
    while (walk->at == walk->page->view.users.count) {
        if (!walk_next_page(walk)) return NULL;
    }
    return &walk->page->view.users.items[walk->at++];
}

enum muster_code muster_walk_close(struct muster_walk *walk, struct muster_error *error) {
    if (walk == NULL) return client_error_none(error);
    if (client_is_inherited(walk->client)) return client_error_inherited(error);
    enum muster_code code = MUSTER_OK;
    if (walk->is_waited) {
        walk_wait(walk); /* closed early: the page ahead is not needed */
        client_error_none(error);
    } else {
        code = walk->error.code;
        if (error != NULL) *error = walk->error;
    }
    walk_free(walk);
    return code;
}
