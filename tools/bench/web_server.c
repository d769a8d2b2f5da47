/* nginx in the foreground, with everything it writes in a folder of /tmp that goes with it. */
#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    pid_t owner, pid;
    char folder[40], url[60];
} server;

static const char config[] =
    "daemon off; worker_processes 1; worker_rlimit_nofile 8192; pid "
    "%1$s/pid; error_log %1$s/error.log;\n"
    "load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;\n"
    "events { worker_connections 4096; multi_accept on; }\n"
    "http {\n"
    "  access_log off; default_type text/plain; keepalive_timeout 75s; "
    "keepalive_requests 100000000;\n"
    "  client_body_temp_path %1$s; proxy_temp_path %1$s; "
    "fastcgi_temp_path %1$s; uwsgi_temp_path %1$s; scgi_temp_path %1$s;\n"
    "  server { listen 127.0.0.1:%2$u backlog=4096; root %1$s;\n"
    "    location /small { return 200 \"a small page\\n\"; }\n"
    "    location /slow { echo_sleep 0.1; echo \"a slow page\"; }\n"
    "    location /wait { echo_sleep 0.02; echo \"a page\"; }\n"
    "    location /drip { limit_rate 20; }\n"
    "  } }\n";

static unsigned free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) &&
                 !getsockname(fd, (struct sockaddr *)&address, &size);
    if (fd >= 0) close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

static bool answers(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof address);
    if (fd >= 0) close(fd);
    return there;
}

static bool write_files(unsigned port)
{
    char path[80];
    snprintf(path, sizeof path, "%s/conf", server.folder);
    FILE *f = fopen(path, "w");
    if (f == NULL) return false;
    fprintf(f, config, server.folder, port);
    bool well = fclose(f) == 0;
    snprintf(path, sizeof path, "%s/drip", server.folder);
    f = well ? fopen(path, "w") : NULL;
    for (int i = 0; f != NULL && i < 10000; i++) fputs("drip drip\n", f);
    return f != NULL && fclose(f) == 0;
}

static void stop(void)
{
    if (server.pid <= 0 || getpid() != server.owner) return; /* trials are forks of this process */
    kill(server.pid, SIGTERM);
    waitpid(server.pid, NULL, 0);
    static const char *const files[] = { "conf", "drip", "pid", "error.log", "list" };
    char path[80];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", server.folder, files[i]);
        unlink(path);
    }
    rmdir(server.folder);
}

static bool start(unsigned port)
{
    char path[80];
    snprintf(path, sizeof path, "%s/conf", server.folder);
    server.owner = getpid();
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl("/usr/sbin/nginx", "nginx", "-c", path, "-p", server.folder, "-e", "stderr",
              (char *)NULL);
        _exit(127);
    }
    for (int i = 0; server.pid > 0 && i < 500; i++) {
        if (answers(port)) return true;
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid) server.pid = 0;
        poll(NULL, 0, 10);
    }
    return false;
}

const char *web_server(void)
{
    if (*server.url) return server.pid > 0 ? server.url : NULL;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 8192) {
        /* for a thousand connections and more */
        files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    unsigned port = free_port();
    memcpy(server.folder, "/tmp/errand-bench-XXXXXX", 25);
    bool well = port > 0 && mkdtemp(server.folder) != NULL && chmod(server.folder, 0755) == 0 &&
                write_files(port);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%u", port);
    atexit(stop);
    if (well && start(port)) return server.url;
    fprintf(stderr, "bench: no nginx (Debian's nginx-light): what goes over HTTP is left out\n");
    stop();
    server.pid = 0;
    return NULL;
}
