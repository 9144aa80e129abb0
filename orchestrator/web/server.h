/*
 * HTTP for people and machines on this computer: what the routes of the table in server.c
 * answer, from the store as it is now. It only reads. Its address is loopback, or it
 * wants a token; a request whose Host names another machine is refused, so that no web
 * page can ask through a name that points here (DNS rebinding). Idle and slow clients are
 * cut off, their number is limited.
 */
#ifndef ORCHESTRATOR_WEB_SERVER_H
#define ORCHESTRATOR_WEB_SERVER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/publish/collect.h"

enum {
    SERVER_IDLE_S = 15,
    SERVER_CLIENTS_MAX = 64,
    SERVER_CLIENTS_OF_ONE_MAX = 32,
    SERVER_TOKEN_MIN = 16, /* bytes */
};

struct server_config {
    const char *state;
    struct collect_policy numbers;
    const char *listen; /* "127.0.0.1:9190", "[::1]:9190"; port 0: any */
    const char *token;  /* "Authorization: Bearer TOKEN" is wanted; NULL: it is not */
    const struct strv *hosts; /* names of this server beside the address; NULL: none */
};

struct server;

/* Begin to answer, in a thread of its own. -EINVAL: the address is none, or none that may
 * be listened on without a token; -EADDRINUSE and so on. Config is borrowed. */
int server_start(const struct server_config *config, struct server **out,
                 struct err *err);
void server_stop(struct server *server); /* NULL is a no-op */
AUTO_DEFINE(struct server *, server_stop)

const char *server_address(const struct server *server); /* with the port; borrowed */

#endif
