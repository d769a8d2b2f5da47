/* route_options.c -- files are opened, and certificates looked for in them, when the options are
 * read: so a wrong one is reported with its option, before anything is sent. The session checks the
 * rest. */
#include "route_options.h"

#include "complain.h"
#include "text_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

bool route_proxy(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->proxy = text; /* "": none, as with curl */
    return true;
}

bool route_noproxy(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->no_proxy = text;
    return true;
}

bool route_unix_socket(run_options *o, const char *name, const char *text)
{
    if (!*text || strlen(text) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return complain("%s %s: the path is empty or too long", name, text);
    o->unix_socket = text;
    return true;
}

bool route_resolve(run_options *o, const char *name, const char *text)
{
    const char *port = strchr(text, ':');
    if (!port || port == text || !strchr(port + 1, ':'))
        return complain("%s %s: HOST:PORT:ADDRESS[,ADDRESS...] is wanted", name, text);
    return run_options_list(&o->resolve, text);
}

/* ---- files ---- */

/* "-----BEGIN ...CERTIFICATE-----" stands in it. */
static bool read_pem(const char *name, const char *path, const char *what)
{
    char *text = text_file_read(path);
    if (!text && errno == EINVAL)
        return complain("%s %s: the file is not PEM, which is text", name, path);
    if (!text) return complain("%s %s: %s", name, path, strerror(errno));
    bool found = false;
    for (const char *at = text; !found && (at = strstr(at, "-----BEGIN ")); at++) {
        size_t line = strcspn(at, "\r\n");
        found = memmem(at, line, what, strlen(what)) != NULL;
    }
    free(text);
    if (found) return true;
    return complain("%s %s: there is no \"-----BEGIN %s\" in it: a PEM file is wanted", name, path,
                    what);
}

bool route_cacert(run_options *o, const char *name, const char *text)
{
    o->ca_file = text;
    return read_pem(name, text, "CERTIFICATE");
}

bool route_cert(run_options *o, const char *name, const char *text)
{
    o->cert = text;
    return read_pem(name, text, "CERTIFICATE");
}

bool route_key(run_options *o, const char *name, const char *text)
{
    o->key = text;
    return read_pem(name, text, "PRIVATE KEY");
}

bool route_capath(run_options *o, const char *name, const char *text)
{
    DIR *folder = opendir(text);
    if (!folder) return complain("%s %s: %s", name, text, strerror(errno));
    closedir(folder);
    o->ca_path = text;
    return true;
}

bool route_pins(run_options *o, const char *name, const char *text)
{
    if (strncmp(text, "sha256//", 8) != 0) {
        char *file = text_file_read(text);
        if (!file && errno != EINVAL) return complain("%s %s: %s", name, text, strerror(errno));
        free(file); /* DER has NUL characters */
    }
    o->pins = text;
    return true;
}

bool route_complete(run_options *o)
{
    if (o->key && !o->cert) return complain("--key %s: there is no --cert", o->key);
    if (o->proxy && *o->proxy && o->unix_socket)
        return complain("--proxy and --unix-socket are both given");
    return true;
}

/* ---- what the session says ---- */

const char *route_blame(const char *why, const char **name)
{
    static const struct {
        const char *field, *option;
    } all[] = { { "base_url", "--base-url" },
                { "ca_file", "--cacert" },
                { "ca_path", "--capath" },
                { "cert_file", "--cert" },
                { "key_file", "--key" },
                { "pinned_keys", "--pinned-pubkey" },
                { "no_proxy", "--noproxy" },
                { "proxy", "--proxy" },
                { "unix_socket", "--unix-socket" },
                { "resolve", "--resolve" },
                { "http2", "--http2" },
                { "bearer", "the token" },
                { "password", "the password" },
                { "user", "--user" } };
    *name = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t size = strlen(all[i].field);
        if (strncmp(why, all[i].field, size) != 0) continue;
        *name = all[i].option;
        return why + size;
    }
    return why;
}
