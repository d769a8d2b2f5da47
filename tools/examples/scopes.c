/* What was opened is closed, last first, whatever happens in between.
 *
 * An order moves money between two accounts in one transaction. The commit is a clean-up on
 * success, the rollback one on error, below it: so a commit that fails is rolled back, too. The
 * connection is closed in any case, after both. */
#include <errand.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Stands for a connection to a database. */
typedef struct connection {
    int commit_error;
    char said[64]; /* in short, what was asked of it */
} connection;

static errand_result say(connection *db, const char *word, int error)
{
    size_t n = strlen(db->said);
    snprintf(db->said + n, sizeof db->said - n, "%s ", word);
    printf("    %s%s%s\n", word, error ? ": " : "", error ? strerror(error) : "");
    return error ? errand_failf(error, "%s: %s", word, strerror(error)) : errand_ok(NULL, NULL);
}
static void disconnect(void *db) { say(db, "disconnect", 0); }
static errand_result commit(void *db)
{
    return say(db, "commit", ((connection *)db)->commit_error);
}
static errand_result roll_back(void *db) { return say(db, "rollback", 0); }

static errand_result connect_to(void *db)
{
    say(db, "connect", 0);
    return errand_ok(db, disconnect);
}

static errand_result order(connection *to, int amount)
{
    errand_scope *scope ERRAND_SCOPED = errand_scope_new(&(errand_scope_opts){ .name = "order" });
    errand_result r = errand_scope_open(scope, "db", connect_to, to);
    if (r.error) return r;
    connection *db = r.value;
    errand_cleanup on_error = {
        .name = "rollback", .resource = db, .fn = roll_back, .when = ERRAND_ON_ERROR
    };
    errand_cleanup on_success = {
        .name = "commit", .resource = db, .fn = commit, .when = ERRAND_ON_SUCCESS
    };
    int error = errand_scope_push(scope, &on_error);
    if (!error) error = errand_scope_push(scope, &on_success);
    if (error) return errand_fail(error); /* the scope is closed, as after a failure */
    r = amount > 100 ? errand_failf(ERANGE, "%d is more than is there", amount)
                     : say(db, "update", 0);
    return errand_scope_close(scope, r);
}

static int try(const char *title, connection *db, int amount, int error, const char *said)
{
    printf("%s\n", title);
    errand_result r = order(db, amount);
    printf("    in the end: %s\n", errand_result_message(&r));
    int wrong = r.error != error || strcmp(db->said, said) != 0;
    errand_result_free(&r);
    return wrong;
}

int main(void)
{
    connection good = { .said = "" }, short_of_money = { .said = "" };
    connection broken = { .commit_error = EIO, .said = "" };
    int wrong = try("a good order", &good, 10, 0, "connect update commit disconnect ");
    wrong |= try("more than is there", &short_of_money, 1000, ERANGE,
                 "connect rollback disconnect ");
    wrong |= try("a commit that fails", &broken, 10, EIO,
                 "connect update commit rollback disconnect ");
    return wrong;
}
