/* options.h -- the command line of errand run, and of errand retry. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "failures.h"
#include "option_table.h"

#include <errand-http.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER, WHEN_JSON } when;

typedef struct credentials { /* at most one of bearer, user and token_command */
    const char *name;        /* of the option, in messages; NULL: none */
    option_id option;        /* that one */
    const char *bearer, *user, *password, *token_command;
} credentials;

typedef struct pace {  /* a rate */
    double per_second; /* 0: not given; or ERRAND_AUTO_PACE */
    unsigned burst;
} pace;

typedef struct run_options {
    const char *command; /* run, retry ... */
    command_id command_id;
    const char *const *files; /* ..., NULL; NULL: none given */
    const char **headers;     /* ..., NULL */
    const char **params;      /* ..., NULL */
    char *const *words;       /* the options as they were given */
    int n_words;
    unsigned jobs, retries;
    unsigned jobs_least;                   /* -j auto: jobs is the most; 0: it is not auto */
    int64_t timeout_ms, connect_ms;        /* 0: not given */
    int64_t job_ms, retry_ms, deadline_ms; /* 0: not given */
    pace rate, rate_total, tokens;
    uint64_t token_budget;                  /* 0: not given */
    const char *tokens_asked, *tokens_used; /* NULL: not given */
    retry_on retry_on;
    halt_on halt_on;
    const char *base_url, *log; /* NULL: not given */
    const char *output;         /* NULL: not given */
    errand_results_begin begin;
    unsigned retry_kinds;
    bool ordered, quiet, verbose, repeat_unknown;
    bool refused_may_have_run, idempotent, idempotency_keys;
    const char *method, *url_template, *json_template, *id_column; /* NULL: not given */
    char *defaults;      /* the text of the file; NULL: not given */
    unsigned skip, take; /* 0: not given */
    errand_jobs_format format;
    char delimiter; /* 0: not given */
    bool openai;
    when progress;
    errand_jobs_headers reply_headers;
    errand_jobs_body body;
    const char **select;    /* ..., NULL; NULL: not given */
    const char *output_dir; /* NULL: not given */
    const char *next;       /* NULL: not given */
    unsigned max_pages;     /* 0: not given */
    /* NULL, 0, false: not given */
    credentials auth;
    const char *proxy, *no_proxy, *unix_socket, *ca_file, *ca_path, *cert, *key, *pins;
    const char **resolve, **secrets; /* ..., NULL */
    size_t max_body;
    unsigned per_host;
    bool netrc, http2, no_decompress, expand;
    unsigned show; /* of errand plan, as the next three */
    bool curl, show_secrets, report_json;
    struct given_list *given;
    char **kept; /* text that is the options' own: ..., NULL */
} run_options;

/* argv begins with the command's name. True: go on; false: end with *status, all has been said. */
bool run_options_read(run_options *options, int argc, char **argv, int *status);
/* The same without the values: files, words and given alone. */
bool run_options_words(run_options *options, int argc, char **argv, int *status);
void run_options_free(run_options *options);

/* Frees text with the options. False: no memory; text is freed, and that has been said. */
bool run_options_keep(run_options *options, char *text);
/* Adds text to a list that ends with NULL. False: no memory, and that has been said. */
bool run_options_list(const char ***list, const char *text);

#endif
