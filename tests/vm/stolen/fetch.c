// In the place of waagent-fetch: a network program that somebody else owns. With the fetcher's path, label, user and unit
// it obeys what is written into fetch/loot/orders, line by line, and answers in fetch/loot/answers.
//   put FILE AS          publishes a file of the loot as a document or package, whole and at once, as the fetcher does
//   swap FILE OTHER AS S for so many seconds the one and the other in turns, renamed over and rewritten in place
//   grow AS MIB          a document of this size
//   folder AS            a folder in the place of a document
//   remove AS
//   acts PID PATH...     tries all that it must not be able to: "act <name> <yes|errno name>" for each, and "why <name> ..."
//                        where the gate gave a reason
// With these arguments on the command line: only that, for whoever calls it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FETCH "/var/lib/waagent/fetch/"
#define LOOT FETCH "loot/"
enum { LINE = 4096, PATH = LINE + 64 };

static FILE *answers;

static void say(const char *what, const char *name, int result) {
    fprintf(answers, "%s %s %s\n", what, name, result >= 0 ? "yes" : strerrorname_np(errno));
    fflush(answers);
}

static int with_errno(int result, int why) {
    errno = why;
    return result;
}

static int opens(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd >= 0) close(fd);
    return fd;
}

static int reads(const char *path) { return opens(path, O_RDONLY); }
static int writes(const char *path) { return opens(path, O_WRONLY | O_APPEND); }

// Makes a file of this name, and removes it.
static int creates(const char *path) {
    int fd = opens(path, O_WRONLY | O_CREAT | O_EXCL);
    return fd < 0 ? fd : unlink(path);
}

// Refused by a peer that isn't there is allowed by all layers.
static int connects_to(const char *address, int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    struct timeval limit = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &at.sin_addr);
    int result = connect(fd, (struct sockaddr *)&at, sizeof at), why = errno;
    close(fd);
    return result < 0 && why == ECONNREFUSED ? 0 : with_errno(result, why);
}
static int connects(const char *where) {
    char address[64];
    int port;
    if (sscanf(where, "%63[^:]:%d", address, &port) != 2) return with_errno(-1, EINVAL);
    return connects_to(address, port);
}

static int connects_local(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    int result = connect(fd, (struct sockaddr *)&at, sizeof at), why = errno;
    close(fd);
    return with_errno(result, why);
}

static const char *trying = "";

// The gate's word: yes, where the platform's answer follows; what it says of a request that it refuses is noted.
static int hears_gate(int fd) {
    char said[1024];
    ssize_t length = recv(fd, said, sizeof said - 1, 0);
    if (length <= 0) return with_errno(-1, length ? errno : ECONNRESET);
    said[length] = 0;
    switch (said[0]) {
    case 'c':
        if (length == 1) length = recv(fd, said, sizeof said, 0);
        return length > 0 ? 0 : with_errno(-1, ECONNRESET);
    case 'd':
        fprintf(answers, "why %s %s", trying, said + 1);
        fflush(answers);
        return with_errno(-1, EACCES);
    case 'r': return with_errno(-1, ECONNREFUSED);
    case 't': return with_errno(-1, ETIMEDOUT);
    default: return with_errno(-1, EPERM);
    }
}

static int reaches_gate(int type) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/waagent/gate/gate.sock"};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    struct timeval limit = {.tv_sec = 15};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    int why = errno;
    close(fd);
    return with_errno(-1, why);
}

// Sends these bytes to the gate, in one write: \1 stands for a NUL, \2 for 17 KiB of a letter.
static int asks_gate(const char *request) {
    static char bytes[1 << 16];
    size_t length = 0;
    for (; *request; request++) {
        size_t many = *request == 2 ? 17 << 10 : 1;
        memset(bytes + length, *request == 2 ? 'a' : *request == 1 ? 0 : *request, many);
        length += many;
    }
    int fd = reaches_gate(SOCK_STREAM);
    if (fd < 0) return fd;
    // It may refuse before all is written.
    send(fd, bytes, length, MSG_NOSIGNAL);
    int result = hears_gate(fd), why = errno;
    close(fd);
    return with_errno(result, why);
}

// What the gate gave before it read requests: a connected socket for a byte.
static int asks_for_connection(const char *target) {
    int fd = reaches_gate(SOCK_SEQPACKET);
    if (fd < 0) fd = reaches_gate(SOCK_STREAM);
    if (fd < 0) return fd;
    char byte = 0, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int result = send(fd, target, strlen(target), MSG_NOSIGNAL);
    if (result >= 0) result = recvmsg(fd, &message, 0);
    int why = result < 0 ? errno : EPROTO;
    struct cmsghdr *header = result > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header) close(*(int *)CMSG_DATA(header));
    close(fd);
    return with_errno(header ? 0 : -1, why);
}

static int sockets(int family, int type, int protocol) {
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0) close(fd);
    return fd;
}
static int raw_socket(const char *unused) { (void)unused; return sockets(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int packet_socket(const char *unused) { (void)unused; return sockets(AF_PACKET, SOCK_RAW, 0); }
static int netfilter_socket(const char *unused) { (void)unused; return sockets(AF_NETLINK, SOCK_RAW, 12); }

static int listens(const char *unused) {
    (void)unused;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(31337)};
    int result = bind(fd, (struct sockaddr *)&at, sizeof at);
    if (result == 0) result = listen(fd, 1);
    int why = errno;
    close(fd);
    return with_errno(result, why);
}

static pid_t victim;
// To go on: what it does anyhow.
static int signals(const char *unused) { (void)unused; return kill(victim, SIGCONT); }
static int traces(const char *unused) {
    (void)unused;
    long result = ptrace(PTRACE_SEIZE, victim, 0, 0);
    // What isn't stopped can't be detached from: the tracer's end does it, so it is tried in a child.
    return result < 0 ? -1 : 0;
}
static int reads_memory(const char *unused) {
    (void)unused;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", victim);
    return reads(path);
}
static int takes_descriptor(const char *unused) {
    (void)unused;
    int process = syscall(SYS_pidfd_open, victim, 0);
    if (process < 0) return -1;
    int fd = syscall(SYS_pidfd_getfd, process, 0, 0), why = errno;
    if (fd >= 0) close(fd);
    close(process);
    return with_errno(fd, why);
}

static int executes(const char *path) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return -1;
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        execl(path, path, "-c", ":", (char *)NULL);
        int why = errno;
        if (write(report[1], &why, sizeof why) < 0) _exit(2);
        _exit(1);
    }
    close(report[1]);
    int why = 0;
    int failed = read(report[0], &why, sizeof why) == sizeof why;
    close(report[0]);
    waitpid(child, NULL, 0);
    return with_errno(failed ? -1 : 0, why);
}

static int becomes_root(const char *unused) { (void)unused; return setresuid(0, 0, 0); }
static int user_namespace(const char *unused) { (void)unused; return unshare(CLONE_NEWUSER); }
static int mounts(const char *unused) {
    (void)unused;
    // Private: what the twin can do isn't to reach the machine.
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
    return mount("tmpfs", "/mnt", "tmpfs", 0, NULL);
}
static int changes_root(const char *unused) { (void)unused; return chroot("/"); }
// Garbage: an image that may be loaded is refused for its format.
static int loads_module(const char *unused) {
    (void)unused;
    int result = syscall(SYS_init_module, "garbage", 7, "");
    return result < 0 && errno == ENOEXEC ? 0 : result;
}
static int makes_code(const char *unused) {
    (void)unused;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static int makes_device(const char *path) {
    return mknod(path, S_IFBLK | 0600, 0x0801) < 0 ? -1 : unlink(path);
}
static int makes_pipe(const char *path) { return mkfifo(path, 0600) < 0 ? -1 : unlink(path); }
static int links(const char *to) {
    return symlink(to, FETCH "link") < 0 ? -1 : unlink(FETCH "link");
}
static int links_hard(const char *to) {
    return link(to, FETCH "hard") < 0 ? -1 : unlink(FETCH "hard");
}
static int removes_marker(const char *path) {
    // It must be there for the answer to mean something; whoever succeeds puts it back.
    if (rename(path, "/var/lib/waagent/.provisioned") < 0) return -1;
    return rename("/var/lib/waagent/.provisioned", path);
}
// To what it is.
static int changes_mode(const char *path) { return chmod(path, 0640) < 0 ? -1 : 0; }

// A request to the WireServer goes on with these.
#define HEAD " HTTP/1.1\r\nHost: 168.63.129.16\r\n"
#define OWN "x-ms-guest-agent-public-x509-cert: MIIBtHeirs==\r\n"
#define END "\r\n"
static const struct {
    const char *name;
    int (*act)(const char *);
    const char *on;
} acts[] = {
#include "acts.h"
};

// Each in a child: some can't be taken back. "@1" stands for the first path that came with the order.
static void try_all(pid_t process, char paths[][LINE]) {
    victim = process;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        pid_t child = fork();
        const char *on = acts[i].on[0] == '@' ? paths[acts[i].on[1] - '1'] : acts[i].on;
        trying = acts[i].name;
        if (child == 0) _exit(acts[i].act(on) < 0 ? errno : 0);
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) status = EAGAIN << 8;
        errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
        say("act", acts[i].name, errno ? -1 : 0);
    }
}

static int copy_into(int from, int to) {
    char buffer[1 << 16];
    ssize_t length;
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, length) != length) return -1;
    return length;
}

// Over the file itself, or by a new one that is renamed over it.
static int put(const char *file, const char *as, int in_place) {
    char source[PATH], target[PATH], fresh[PATH + 8];
    snprintf(source, sizeof source, LOOT "%s", file);
    snprintf(target, sizeof target, FETCH "%s", as);
    snprintf(fresh, sizeof fresh, "%s.new", target);
    int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0) return -1;
    int to = open(in_place ? target : fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    int result = to < 0 ? -1 : copy_into(from, to);
    if (result == 0 && !in_place) result = rename(fresh, target);
    int why = errno;
    close(from);
    if (to >= 0) close(to);
    return with_errno(result, why);
}

static int swap(const char *file, const char *other, const char *as, int seconds) {
    time_t end = time(NULL) + seconds;
    for (int turn = 0; time(NULL) < end; turn++) {
        if (put(turn & 1 ? file : other, as, turn & 2) < 0) return -1;
        usleep(200 * (turn % 7));
    }
    return put(file, as, 0);
}

static int grow(const char *as, int mib) {
    static char blank[1 << 20];
    char target[PATH], fresh[PATH + 8];
    snprintf(target, sizeof target, FETCH "%s", as);
    snprintf(fresh, sizeof fresh, "%s.new", target);
    memset(blank, ' ', sizeof blank);
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int result = to < 0 ? -1 : 0;
    for (int i = 0; i < mib && result == 0; i++)
        if (write(to, blank, sizeof blank) != sizeof blank) result = -1;
    if (to >= 0) close(to);
    // As documents are replaced: nobody looks at a file that is written in place.
    return result == 0 ? rename(fresh, target) : result;
}

static void obey(char *line) {
    static char words[4][LINE];
    char verb[64] = "", path[PATH], *a = words[0], *b = words[1], *c = words[2];
    memset(words, 0, sizeof words);
    sscanf(line, "%63s %4095s %4095s %4095s %4095s", verb, a, b, c, words[3]);
    snprintf(path, sizeof path, FETCH "%s", a);
    if (!strcmp(verb, "put")) say("put", b, put(a, b, 0));
    else if (!strcmp(verb, "swap")) say("swap", c, swap(a, b, c, atoi(words[3])));
    else if (!strcmp(verb, "grow")) say("grow", a, grow(a, atoi(b)));
    else if (!strcmp(verb, "folder")) say("folder", a, (unlink(path), mkdir(path, 0750)));
    else if (!strcmp(verb, "remove")) say("remove", a, remove(path));
    else if (!strcmp(verb, "acts")) try_all(atoi(a), words + 1);
}

static void tell_manager(const char *word) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) return;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    if (at.sun_path[0] == '@') at.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sendto(fd, word, strlen(word), 0, (struct sockaddr *)&at,
           offsetof(struct sockaddr_un, sun_path) + strlen(path));
    close(fd);
}

int main(int count, char **words) {
    answers = stdout;
    if (count == 6 && !strcmp(words[1], "acts")) {
        static char paths[3][LINE];
        for (int i = 0; i < 3; i++) strncpy(paths[i], words[3 + i], LINE - 1);
        try_all(atoi(words[2]), paths);
        return 0;
    }
    // As the fetcher of other units (waagent-failed@) it does nothing.
    if (count > 1) return 0;
    // Its documents are for the group, as the fetcher's are.
    umask(0027);
    answers = fopen(LOOT "answers", "a");
    if (!answers) return 1;
    tell_manager("READY=1");
    for (time_t told = 0;; usleep(100000)) {
        if (time(NULL) - told >= 20) {
            tell_manager("WATCHDOG=1");
            told = time(NULL);
        }
        FILE *orders = fopen(LOOT "orders", "r");
        if (!orders) continue;
        char line[4 * LINE];
        while (fgets(line, sizeof line, orders)) obey(line);
        fclose(orders);
        unlink(LOOT "orders");
        fputs("done\n", answers);
        fflush(answers);
    }
}
