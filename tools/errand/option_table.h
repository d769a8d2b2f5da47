/* option_table.h -- the commands and options of errand, as data: names, values, defaults and words.
 *
 * Made from it are the arrays of getopt_long (options.c), --help (help.c), and by options-doc the
 * completions and the OPTIONS of errand(1). A row also has what another source of values needs: a
 * name from which the name of an environment variable or a key in a file follows, whether it takes
 * a value, and whether it may be given repeatedly. */
#ifndef OPTION_TABLE_H
#define OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum option_group {
    GROUP_LIMITS,
    GROUP_REQUESTS,
    GROUP_INPUT,
    GROUP_CONNECTIONS,
    GROUP_PACE,
    GROUP_OUTPUT,
    GROUP_RESUME, /* about one run of several: in no journal */
    GROUP_PLAN,   /* of the commands that look at a run */
    GROUP_ABOUT,  /* no settings: known before a command, too, and they end the command */
    GROUPS
} option_group;

typedef enum command_id {
    COMMAND_RUN,
    COMMAND_RETRY,
    COMMAND_PLAN,
    COMMAND_TRY,
    COMMANDS
} command_id; /* and "help", which explains them */

#define COMMAND_BIT(id) (1u << (id))

typedef enum option_id {
    OPTION_JOBS,
    OPTION_RATE,
    OPTION_RETRIES,
    OPTION_TIMEOUT,
    OPTION_CONNECT_TIMEOUT,
    OPTION_BASE_URL,
    OPTION_HEADER,
    OPTION_REQUEST,
    OPTION_FORMAT,
    OPTION_DELIMITER,
    OPTION_TEMPLATE,
    OPTION_JSON,
    OPTION_PARAMS,
    OPTION_ID,
    OPTION_DEFAULTS,
    OPTION_SKIP,
    OPTION_TAKE,
    OPTION_EXPAND,
    OPTION_BEARER_ENV,
    OPTION_BEARER_FILE,
    OPTION_TOKEN_COMMAND,
    OPTION_USER,
    OPTION_NETRC,
    OPTION_PROXY,
    OPTION_NOPROXY,
    OPTION_CACERT,
    OPTION_CAPATH,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_PINNED_PUBKEY,
    OPTION_UNIX_SOCKET,
    OPTION_RESOLVE,
    OPTION_HTTP2,
    OPTION_LIMIT_PER_HOST,
    OPTION_MAX_BODY,
    OPTION_NO_DECOMPRESS,
    OPTION_CONFIG,
    OPTION_RATE_TOTAL,
    OPTION_TOKENS,
    OPTION_BUDGET_TOKENS,
    OPTION_TOKENS_ASKED,
    OPTION_TOKENS_USED,
    OPTION_MAX_TIME,
    OPTION_DEADLINE,
    OPTION_RETRY_ON,
    OPTION_RETRY_MAX_TIME,
    OPTION_IDEMPOTENT,
    OPTION_IDEMPOTENCY_KEY,
    OPTION_REFUSED_MAY_HAVE_RUN,
    OPTION_HALT,
    OPTION_ORDERED,
    OPTION_OPENAI,
    OPTION_HEADERS,
    OPTION_BODY,
    OPTION_SELECT,
    OPTION_OUTPUT_DIR,
    OPTION_NEXT,
    OPTION_MAX_PAGES,
    OPTION_PROGRESS,
    OPTION_LOG,
    OPTION_VERBOSE,
    OPTION_QUIET,
    OPTION_OUTPUT,
    OPTION_RESUME,
    OPTION_FRESH,
    OPTION_RETRY_FAILED,
    OPTION_REPEAT_UNKNOWN,
    OPTION_SHOW,
    OPTION_CURL,
    OPTION_SHOW_SECRETS,
    OPTION_REPORT,
    OPTION_HELP,
    OPTION_VERSION,
    OPTIONS
} option_id;

typedef struct option_row {
    const char *name; /* "base-url": --base-url */
    char letter;      /* 'j': -j; 0: none */
    option_group group;
    const char *value;   /* what its value is called; NULL: it takes none */
    const char *choices; /* all values there are, with spaces between them; NULL: any */
    bool file;           /* its value is the path of a file */
    bool secret;         /* its value may be one: it is in no journal */
    bool repeats;        /* each use adds a value; else the last one counts */
    const char *initial; /* what holds without it; NULL: nothing to be said */
    const char *help;    /* one clause, for --help, completions and errand(1) */
    const char *more;    /* sentences that errand(1) adds; NULL: none */
    /* options with the same number, but 0, exclude each other: that of the place which goes before
     * the others counts */
    unsigned rivals;
    /* COMMAND_BIT of the commands that have it; 0: all. The environment and files may have options
     * of other commands: they do not count */
    unsigned commands;
} option_row;

typedef struct group_row {
    const char *title;
    const char *note; /* what --help says below the options; NULL: nothing */
} group_row;

typedef struct command_row {
    const char *name, *help;
} command_row;

/* The rows of a group stand together, the groups in their order. */
extern const option_row option_rows[OPTIONS];
extern const group_row group_rows[GROUPS];
extern const command_row command_rows[COMMANDS];

static inline bool option_is_of(const option_row *option, command_id command)
{
    return !option->commands || option->commands & COMMAND_BIT(command);
}

/* COMMANDS: there is none of this name. */
command_id command_named(const char *name);

#endif
