/* A server for the tests of errand's options: it answers with the request that came.
 *
 *   mirror FOLDER     serves http, https (where OpenSSL is) and the socket FOLDER/socket, writes
 * where to standard output, and ends when its standard input does
 *
 *   /quote            403, with the value of X-Key in its problem
 *   /token            401, unless the bearer token is the text of FOLDER/valid
 *   all others        200, and the request as it came */
#include "raw_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef WITH_TLS
#include "tls.h"
#endif

static const char *folder;

static void valid_token(char *token, size_t size) /* as a header's value */
{
    char path[300], text[200] = "";
    snprintf(path, sizeof path, "%s/valid", folder);
    FILE *file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file)) *text = '\0';
    if (file) fclose(file);
    snprintf(token, size, "Bearer %.*s", (int)strcspn(text, "\n"), text);
}

static bool quote(struct raw_conn *conn, const struct raw_request *request)
{
    const char *key = strstr(request->text, "\r\nX-Key: ");
    char text[300];
    if (key) key += 9;
    snprintf(text, sizeof text, "{\"detail\":\"the key %.*s is wrong\"}",
             key ? (int)strcspn(key, "\r") : 0, key ? key : "");
    return raw_reply(conn, 403, "application/problem+json", text);
}

static void serve(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    char token[256];
    (void)arg;
    for (bool more = true; more && raw_read_request(conn, &request);) {
        if (strstr(request.text, "/quote ")) {
            more = quote(conn, &request);
        } else if (strstr(request.text, "/token ")) {
            valid_token(token, sizeof token);
            bool known = raw_has_header(&request, "Authorization", token);
            more = raw_reply(conn, known ? 200 : 401, "text/plain", known ? "in" : "out");
        } else {
            more = raw_reply(conn, 200, "text/plain", request.text);
        }
        raw_request_free(&request);
    }
}

int main(int argc, char **argv)
{
    struct raw_server *plain, *local;
    char path[300];
    if (argc != 2) return 2;
    folder = argv[1];
    snprintf(path, sizeof path, "%s/socket", folder);
    if (raw_server_start(&plain, serve, NULL) || raw_server_start_at(&local, serve, NULL, path))
        return 1;
    printf("http=%s\n", raw_server_url(plain));
#ifdef WITH_TLS
    struct tls_files files;
    struct raw_server *safe;
    if (tls_files_make(&files) || tls_server_start(&safe, serve, NULL, files.good, NULL, false))
        return 1;
    printf("https=%s ca=%s good=%s hashed=%s pin=%s\n", raw_server_url(safe), files.ca, files.good,
           files.folder, files.pin);
#endif
    puts("ready=yes");
    fflush(stdout);
    while (getchar() != EOF) continue;
    raw_server_stop(plain);
    raw_server_stop(local);
#ifdef WITH_TLS
    raw_server_stop(safe);
    tls_files_remove(&files);
#endif
    return 0;
}
