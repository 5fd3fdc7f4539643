// In the place of waagent-transfer: what it answers to the fetcher is told by the name of the extension whose package it is
// asked for. Manifests are given as they are, for what they name is to be asked of it; nothing else is answered.
#include "stolen.h"
#include <arpa/inet.h>
#include <stdint.h>

// Readable in its place, made by the test: manifests NAME.xml, and the false package.
#define LOOT "/usr/share/waagent-stolen/"
enum { PIECE = 64 << 10 };

static int sends(int fd, const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return -1;
        bytes = (const char *)bytes + sent;
        length -= sent;
    }
    return 0;
}

static int sends_piece(int fd, const void *bytes, uint32_t length) {
    uint32_t prefix = htonl(length);
    return sends(fd, &prefix, sizeof prefix) < 0 ? -1 : sends(fd, bytes, length);
}

static int sends_text(int fd, const char *text) { return sends_piece(fd, text, strlen(text)); }

static int sends_head(int fd) { return sends_text(fd, "{\"head\":{\"status\":200,\"headers\":{}}}"); }

static void sends_file(int fd, const char *name) {
    static char bytes[PIECE];
    char path[PATH];
    snprintf(path, sizeof path, LOOT "%s", name);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;
    sends_head(fd);
    while ((length = read(from, bytes, sizeof bytes)) > 0) sends_piece(fd, bytes, length);
    if (from >= 0) close(from);
}

static void ends(int fd) { sends(fd, "\0\0\0\0", 4); }

// More than the bound of a package, which the test sets to 1 MiB.
static void sends_too_much(int fd) {
    static char bytes[PIECE];
    sends_head(fd);
    while (sends_piece(fd, bytes, sizeof bytes) == 0) {}
}

static void drips(int fd) {
    sends_head(fd);
    while (sends_piece(fd, "x", 1) == 0) sleep(1);
}

static void answers_package(int fd, const char *uri) {
    static char blank[2 * PIECE];
    memset(blank, ' ', sizeof blank);
    if (strstr(uri, ".False__")) sends_file(fd, "evil.zip"), ends(fd);
    // The beginning, and gone.
    else if (strstr(uri, ".Cut__")) sends_file(fd, "evil.zip");
    else if (strstr(uri, ".Endless__")) sends_too_much(fd);
    // A piece that is longer than any, a head that is, a head that has more than a head has.
    else if (strstr(uri, ".Piece__")) sends_head(fd), sends_piece(fd, blank, sizeof blank), ends(fd);
    else if (strstr(uri, ".Frame__")) sends_piece(fd, blank, sizeof blank);
    else if (strstr(uri, ".Field__")) sends_text(fd, "{\"head\":{\"status\":200,\"headers\":{},\"run\":\"/bin/sh\"}}");
    else if (strstr(uri, ".Drip__")) drips(fd);
}

static void answers(int fd) {
    static char order[64 << 10], name[LINE];
    uint32_t length;
    if (recv(fd, &length, sizeof length, MSG_WAITALL) != sizeof length) return;
    length = ntohl(length);
    if (length >= sizeof order || recv(fd, order, length, MSG_WAITALL) != (ssize_t)length) return;
    order[length] = 0;
    char *uri = strstr(order, "://"), *manifest = uri ? strstr(uri, ".xml") : NULL;
    while (manifest && *manifest != '/') manifest--;
    if (manifest && sscanf(manifest, "/%63[A-Za-z.]", name) == 1) {
        sends_file(fd, name);
        ends(fd);
    } else if (uri && strstr(uri, "/packages/")) {
        printf("answers %.*s\n", (int)strcspn(strstr(uri, "/packages/"), "\"?"), strstr(uri, "/packages/"));
        fflush(stdout);
        answers_package(fd, uri);
    } else {
        sends_text(fd, "{\"failed\":{\"kind\":\"connect\",\"text\":\"not today\",\"kept\":false}}");
    }
}

// One process for each order: what drips keeps nobody waiting.
int answer_fetcher(void) {
    for (;;) {
        int fd = accept4(3, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            sleep(1);
            continue;
        }
        if (fork() == 0) {
            answers(fd);
            shutdown(fd, SHUT_WR);
            _exit(0);
        }
        close(fd);
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
}
