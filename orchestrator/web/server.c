#include "orchestrator/web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>
#include <sodium.h>

#include "base/late.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/collect.h"
#include "orchestrator/publish/exposition.h"

enum { ADDRESS_MAX = 80, HOST_MAX = 256 };

/* libmicrohttpd, as far as it is used here; see late.h */
static struct {
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_get_daemon_info) *get_daemon_info;
    __typeof__(MHD_create_response_from_buffer) *create_response;
    __typeof__(MHD_destroy_response) *destroy_response;
    __typeof__(MHD_add_response_header) *add_response_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_lookup_connection_value) *lookup;
} lib;

static int
load(struct err *err)
{
    static const struct late_symbol symbols[] = {
        {"MHD_start_daemon", &lib.start_daemon},
        {"MHD_stop_daemon", &lib.stop_daemon},
        {"MHD_get_daemon_info", &lib.get_daemon_info},
        {"MHD_create_response_from_buffer", &lib.create_response},
        {"MHD_destroy_response", &lib.destroy_response},
        {"MHD_add_response_header", &lib.add_response_header},
        {"MHD_queue_response", &lib.queue_response},
        {"MHD_lookup_connection_value", &lib.lookup},
    };

    return late_load("libmicrohttpd.so.12", symbols, COUNT(symbols), err);
}

struct server {
    struct server_config config;
    struct MHD_Daemon *daemon;
    struct sockaddr_storage at;
    char host[ADDRESS_MAX];    /* without the port */
    char address[ADDRESS_MAX]; /* with it */
};

/* --- answers --- */

struct answer {
    unsigned status;
    const char *type; /* of the content */
    struct buf body;
};

static void
say(struct answer *answer, unsigned status, const char *text)
{
    answer->status = status;
    answer->type = "text/plain; charset=utf-8";
    buf_adds(&answer->body, text);
    buf_addc(&answer->body, '\n');
}

static void
serve_metrics(const struct server *server, struct MHD_Connection *connection,
              struct answer *answer)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(metrics_clear) struct metrics metrics = {0};
    struct err err = ERR_INIT;
    const char *accepts = lib.lookup(connection, MHD_HEADER_KIND, "Accept");
    bool open =
        accepts != NULL && strstr(accepts, "application/openmetrics-text") != NULL;
    int rc = store_open(server->config.state, DB_READ, &store, &err);

    rc = rc < 0 ? rc : collect_metrics(store, &server->config.numbers, &metrics, &err);
    if (rc < 0) {
        say(answer, MHD_HTTP_SERVICE_UNAVAILABLE, err.msg);
        return;
    }
    answer->status = MHD_HTTP_OK;
    answer->type = open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                        : "text/plain; version=0.0.4; charset=utf-8";
    exposition_print(&metrics, open ? EXPOSITION_OPENMETRICS : EXPOSITION_PROMETHEUS,
                     &answer->body);
}

/* That the server lives, for whoever watches it. */
static void
serve_health(const struct server *server, struct MHD_Connection *connection,
             struct answer *answer)
{
    (void)server;
    (void)connection;
    say(answer, MHD_HTTP_OK, "ok");
}

static const struct route {
    const char *path;
    void (*serve)(const struct server *server, struct MHD_Connection *connection,
                  struct answer *answer);
    bool open; /* without the token */
} routes[] = {{"/metrics", serve_metrics, false}, {"/healthz", serve_health, true}};

/* --- who may ask --- */

static bool
is_host(const char *given, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(given, name, len) == 0;
}

static bool
host_is_ours(const struct server *server, struct MHD_Connection *connection)
{
    const char *host = lib.lookup(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

    if (host == NULL || strlen(host) > HOST_MAX) {
        return false;
    }
    const char *colon = strrchr(host, ':');
    bool port = colon != NULL && strchr(colon, ']') == NULL;
    size_t len = port ? (size_t)(colon - host) : strlen(host);
    const struct strv *names = server->config.hosts;
    for (size_t i = 0; names != NULL && i < names->n; i++) {
        if (is_host(host, len, names->v[i])) {
            return true;
        }
    }
    return is_host(host, len, "localhost") || is_host(host, len, server->host);
}

static bool
has_token(const struct server *server, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given =
        lib.lookup(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *wanted = server->config.token;

    if (wanted == NULL) {
        return true;
    }
    if (given == NULL || !str_starts(given, scheme)) {
        return false;
    }
    given += strlen(scheme);
    return strlen(given) == strlen(wanted) &&
           sodium_memcmp(given, wanted, strlen(wanted)) == 0;
}

static void
decide(const struct server *server, struct MHD_Connection *connection, const char *path,
       const char *method, struct answer *answer)
{
    if (!host_is_ours(server, connection)) {
        say(answer, MHD_HTTP_MISDIRECTED_REQUEST,
            "this is not the host that was asked for; --host NAME adds a name");
        return;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        say(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
        return;
    }
    for (size_t i = 0; i < COUNT(routes); i++) {
        if (strcmp(routes[i].path, path) != 0) {
            continue;
        }
        if (!routes[i].open && !has_token(server, connection)) {
            say(answer, MHD_HTTP_UNAUTHORIZED, "Authorization: Bearer TOKEN is wanted");
            return;
        }
        routes[i].serve(server, connection, answer);
        return;
    }
    say(answer, MHD_HTTP_NOT_FOUND, "there is /metrics and /healthz");
}

static enum MHD_Result /* the library's. NOLINTNEXTLINE(readability-function-size) */
on_request(void *user, struct MHD_Connection *connection, const char *path,
           const char *method, const char *version, const char *data, size_t *size,
           void **own)
{
    AUTO(buf_clear) struct buf body = BUF_INIT;
    struct answer answer = {0};

    (void)version;
    (void)data;
    (void)own;
    *size = 0; /* a body is not looked at */
    decide(user, connection, path, method, &answer);
    body = answer.body;
    struct MHD_Response *response =
        lib.create_response(body.len, body.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    (void)lib.add_response_header(response, "Content-Type", answer.type);
    (void)lib.add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)lib.add_response_header(response, "Content-Security-Policy",
                                  "default-src 'none'; frame-ancestors 'none'");
    (void)lib.add_response_header(response, "Cache-Control", "no-store");
    if (answer.status == MHD_HTTP_UNAUTHORIZED) {
        (void)lib.add_response_header(response, "WWW-Authenticate", "Bearer");
    }
    enum MHD_Result result = lib.queue_response(connection, answer.status, response);
    lib.destroy_response(response);
    return result;
}

/* --- the address --- */

static bool
is_loopback(const struct sockaddr_storage *at)
{
    const struct sockaddr_in *four = (const void *)at;
    const struct sockaddr_in6 *six = (const void *)at;

    return at->ss_family == AF_INET ? ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                    : IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* "127.0.0.1:9190" or "[::1]:9190"; names are not looked up, for they may change. */
static int
read_address(struct server *server, struct err *err)
{
    const char *text = server->config.listen;
    const char *colon = strrchr(text, ':');
    struct sockaddr_in *four = (void *)&server->at;
    struct sockaddr_in6 *six = (void *)&server->at;
    int64_t port = 0;
    struct err why = ERR_INIT;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(server->host) ||
        str_number("port", colon + 1, 0, 65535, &port, &why) < 0) {
        return err_set(err, -EINVAL,
                       "--listen: '%s' is no address such as 127.0.0.1:9190", text);
    }
    (void)snprintf(server->host, sizeof(server->host), "%.*s", (int)(colon - text), text);
    AUTO(mem_free) char *bare = mem_strdup(server->host);
    size_t len = strlen(bare);
    bool bracketed = len > 2 && bare[0] == '[' && bare[len - 1] == ']';
    if (bracketed) {
        bare[len - 1] = '\0';
    }
    if (!bracketed && inet_pton(AF_INET, bare, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return 0;
    }
    if (bracketed && inet_pton(AF_INET6, bare + 1, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return 0;
    }
    return err_set(err, -EINVAL,
                   "--listen: '%s' is no numeric address such as 127.0.0.1:9190 or "
                   "[::1]:9190",
                   text);
}

static int
check_config(const struct server *server, struct err *err)
{
    const char *token = server->config.token;

    if (token != NULL && strlen(token) < SERVER_TOKEN_MIN) {
        return err_set(err, -EINVAL, "a token has at least %d characters",
                       SERVER_TOKEN_MIN);
    }
    if (token == NULL && !is_loopback(&server->at)) {
        return err_set(err, -EINVAL,
                       "--listen: everybody who reaches '%s' could read what was found: "
                       "give --token-env NAME, and put TLS before it",
                       server->config.listen);
    }
    return 0;
}

int
server_start(const struct server_config *config, struct server **out, struct err *err)
{
    AUTO(server_stop) struct server *server = mem_alloc(sizeof(*server));

    *server = (struct server){.config = *config};
    int rc = read_address(server, err);
    rc = rc < 0 ? rc : check_config(server, err);
    rc = rc < 0 ? rc : load(err);
    if (rc < 0) {
        return rc;
    }
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;
    flags |= server->at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    errno = 0;
    server->daemon = lib.start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
        (const struct sockaddr *)&server->at, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SERVER_IDLE_S, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)SERVER_CLIENTS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)SERVER_CLIENTS_OF_ONE_MAX, MHD_OPTION_END);
    if (server->daemon == NULL) {
        return errno == 0
                   ? err_set(err, -EADDRINUSE, "cannot listen on '%s'", config->listen)
                   : err_sys(err, "cannot listen on '%s'", config->listen);
    }
    const union MHD_DaemonInfo *info =
        lib.get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    (void)snprintf(server->address, sizeof(server->address), "%.*s:%u",
                   (int)sizeof(server->address) - 8, server->host, (unsigned)info->port);
    *out = STEAL(server);
    return 0;
}

void
server_stop(struct server *server)
{
    if (server != NULL) {
        if (server->daemon != NULL) {
            lib.stop_daemon(server->daemon);
        }
        mem_free(server);
    }
}

const char *
server_address(const struct server *server)
{
    return server->address;
}
