/* SPDX-License-Identifier: Apache-2.0
 * results.c - errors in the result (chapter 4 of "Concurrency in Go"): a goroutine that can't do what it was asked isn't the one to decide
 * what that means. So it sends a result that holds either a response or an error, and who knows the whole program
 * decides. Here a goroutine asks servers for their status: two questions to one of this process, and between them one to a bad
 * host. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

struct result {
    weft_error *error; /* or else */
    char status[32];
};

WEFT_CHAN_TYPE(results, struct result);

/* ---- the question ---- */

struct question {
    const char *host;
    in_port_t port;
    struct result result;
};

static int talk(int fd, const struct question *q, char *answer, size_t n)
{
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = q->port};
    if (inet_pton(AF_INET, q->host, &address.sin_addr) != 1)
        return -EADDRNOTAVAIL;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
        write(fd, request, sizeof(request) - 1) < 0)
        return -errno;
    ssize_t got = read(fd, answer, n - 1);
    answer[got > 0 ? got : 0] = '\0';
    return got < 0 ? -errno : 0;
}

/* Blocks its thread, so it is called by weft_blocking. */
static void *ask(void *arg)
{
    struct question *q = arg;
    char answer[128] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = talk(fd, q, answer, sizeof(answer));
    if (fd >= 0)
        close(fd);
    if (rc)
        q->result.error = weft_error_new(rc, "%s: %s", q->host, strerror(-rc));
    else if (sscanf(answer, "HTTP/1.0 %31[^\r]", q->result.status) != 1)
        q->result.error = weft_error_new(-EPROTO, "%s: no HTTP", q->host);
    return NULL;
}

/* ---- who asks, and who decides ---- */

struct asker {
    in_port_t port;
    results_tx out;
};

static void check_status(void *arg)
{
    struct asker *a = arg;
    const char *hosts[] = {"127.0.0.1", "badhost", "127.0.0.1"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct question q = {.host = hosts[i], .port = a->port};
        weft_blocking(ask, &q);
        results_send(a->out, q.result);
    }
    results_close(a->out);
    results_unref(a->out);
}

static void main_goroutine(void *port)
{
    results answers = results_new(0);
    results_ref(answers);
    WEFT_GO(check_status, struct asker, *(in_port_t *)port, results_to_tx(answers));
    struct result r;
    while (results_recv(answers, &r)) {
        if (r.error) {
            printf("error: %s\n", weft_error_message(r.error));
            weft_error_unref(r.error);
            continue;
        }
        printf("Response: %s\n", r.status);
    }
    results_unref(answers);
}

/* ---- a server, any server ---- */

static void *serve(void *arg)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\n";
    int listener = *(int *)arg, fd;
    char request[128];
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (read(fd, request, sizeof(request)) < 0 || write(fd, answer, sizeof(answer) - 1) < 0)
            perror("server");
        close(fd);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t server;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 8) ||
        getsockname(listener, (struct sockaddr *)&address, &length) ||
        pthread_create(&server, NULL, serve, &listener)) {
        perror("no server");
        return 1;
    }
    int rc = weft_run(main_goroutine, &address.sin_port, NULL);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
    return rc;
}
