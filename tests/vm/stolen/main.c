// In the place of waagent-fetch, waagent-transfer or waagent-gate: a program that somebody else owns, with its path, label,
// user and unit. STOLEN_MODE, by the service manager's environment: "acts" tries all that it must not be able to, before
// anything else; "memory" takes more of it than it may. With the word "acts" on the command line: only that, for whoever
// calls it; "read FILE": can it be opened?
#include "stolen.h"
#include <signal.h>

int with_errno(int result, int why) {
    errno = why;
    return result;
}

const char *told(const char *variable) {
    const char *value = getenv(variable);
    return value ? value : "";
}

void tell_manager(const char *word) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) return;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    if (at.sun_path[0] == '@') at.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sendto(fd, word, strlen(word), 0, (struct sockaddr *)&at, offsetof(struct sockaddr_un, sun_path) + strlen(path));
    close(fd);
}

static void take_memory(void) {
    for (size_t i = 0; i < 512; i++) {
        char *bytes = malloc(1 << 20);
        if (bytes) memset(bytes, 1, 1 << 20);
    }
    puts("memory taken");
    fflush(stdout);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    if (count == 2 && !strcmp(words[1], "acts")) {
        try_all(0);
        return 0;
    }
    if (count == 3 && !strcmp(words[1], "read")) return open(words[2], O_RDONLY) < 0;
    // As the program of other units (waagent-failed@) it does nothing.
    if (count > 1) return 0;
    tell_manager("READY=1");
    if (!strcmp(told("STOLEN_MODE"), "acts")) try_all(strstr(words[0], "fetch") != NULL);
    if (!strcmp(told("STOLEN_MODE"), "memory")) take_memory();
    if (strstr(words[0], "fetch")) return obey_orders();
    if (strstr(words[0], "transfer")) return answer_fetcher();
    for (;;) pause();
}
