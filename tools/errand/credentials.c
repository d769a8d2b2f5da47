/* credentials.c -- at most one of --bearer-env, --bearer-file, --user and --token-command counts:
 * two of one place are an error, of several places one counts alone (given.c).
 *
 * No message shows a token or a password. A password that is not given is ERRAND_PASSWORD, or asked
 * for on the terminal. */
#include "credentials.h"

#include "complain.h"
#include "text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* From here on this option counts, called name. */
static bool take(run_options *o, option_id option, const char *name)
{
    credentials *auth = &o->auth;
    if (auth->name && auth->option != option)
        return complain("%s and %s are both given", auth->name, name);
    *auth = (credentials){ .name = name, .option = option };
    return true;
}

static bool set_bearer(run_options *o, const char *name, const char *what, char *token)
{
    if (!token) return complain("out of memory");
    if (!run_options_keep(o, token)) return false;
    token = text_trim(token);
    if (!*token) return complain("%s %s: it is empty", name, what);
    for (const char *c = token; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return complain("%s %s: a line break or control character in the token", name, what);
    }
    o->auth.bearer = token;
    return true;
}

bool credentials_bearer_env(run_options *o, const char *name, const char *text)
{
    const char *value = getenv(text);
    if (!value) return complain("%s %s: the variable is not set", name, text);
    return take(o, OPTION_BEARER_ENV, name) && set_bearer(o, name, text, strdup(value));
}

bool credentials_bearer_file(run_options *o, const char *name, const char *text)
{
    char *token = text_file_read(text);
    if (!token) return complain("%s %s: %s", name, text, strerror(errno));
    if (take(o, OPTION_BEARER_FILE, name)) return set_bearer(o, name, text, token);
    free(token);
    return false;
}

bool credentials_user(run_options *o, const char *name, const char *text)
{
    if (!take(o, OPTION_USER, name)) return false;
    char *user = strdup(text);
    if (!user) return complain("out of memory");
    if (!run_options_keep(o, user)) return false;
    char *colon = strchr(user, ':');
    if (colon) *colon++ = '\0';
    if (!*user) return complain("%s: USER or USER:PASSWORD is wanted", name);
    o->auth.user = user;
    o->auth.password = colon;
    return true;
}

bool credentials_token_command(run_options *o, const char *name, const char *text)
{
    if (!*text) return complain("%s: a command is wanted", name);
    if (!take(o, OPTION_TOKEN_COMMAND, name)) return false;
    o->auth.token_command = text;
    return true;
}

/* ---- the terminal ---- */

/* A line without echo. Ctrl-C and Ctrl-D arrive as characters, so the terminal is never left
 * without its echo. NULL: it was not finished. */
static char *read_hidden(char *line, size_t size)
{
    size_t n = 0;
    for (char c; n < size && read(STDIN_FILENO, &c, 1) == 1;) {
        if (c == '\n' || c == '\r') {
            line[n] = '\0';
            return line;
        }
        if (c == 3 || c == 4) return NULL;
        if (c == 127 || c == '\b') n -= n > 0;
        else line[n++] = c;
    }
    return NULL;
}

static char *ask_for_password(const char *user) /* NULL: there is none */
{
    struct termios before, hidden;
    char line[1024];
    if (tcgetattr(STDIN_FILENO, &before)) return NULL;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    hidden.c_cc[VMIN] = 1;
    hidden.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)) return NULL;
    fprintf(stderr, "Password of %.60s: ", user);
    fflush(stderr);
    char *password = read_hidden(line, sizeof line - 1);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    if (password) password = strdup(password);
    explicit_bzero(line, sizeof line);
    return password;
}

bool credentials_complete(run_options *o)
{
    credentials *auth = &o->auth;
    if (!auth->user || auth->password) return true;
    auth->password = getenv("ERRAND_PASSWORD");
    if (auth->password) return true;
    if (!isatty(STDIN_FILENO))
        return complain("%s %s: there is no password: write USER:PASSWORD, or set ERRAND_PASSWORD",
                        auth->name, auth->user);
    char *password = ask_for_password(auth->user);
    if (!password) return complain("%s %s: no password was given", auth->name, auth->user);
    auth->password = password;
    return run_options_keep(o, password);
}
