// Tries one forbidden act after the other, and prints "context <its own>", then "<act> <yes|errno name>" for each.
// Installed for the test alone, with a domain's entry label: what it may not do, a stolen program of that domain may not
// do either.
// probe PRIVATE-KEY: the path of a certificate's key. probe PRIVATE-KEY PROGRAM: hands itself over to a shell that
// executes PROGRAM PRIVATE-KEY, as the runner does with commands.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *key = "/nonexistent";

// Each act in a process of its own: the filter of system calls ends it.
#define say(act, result)                                                      \
    do {                                                                      \
        pid_t child = fork();                                                 \
        if (child == 0) _exit((result) >= 0 ? 0 : errno);                     \
        int status = 0;                                                       \
        waitpid(child, &status, 0);                                           \
        report(act, status);                                                  \
    } while (0)

static void report(const char *act, int status) {
    if (WIFSIGNALED(status))
        printf("%s %s\n", act, sigabbrev_np(WTERMSIG(status)));
    else
        printf("%s %s\n", act, WEXITSTATUS(status) == 0 ? "yes" : strerrorname_np(WEXITSTATUS(status)));
    fflush(stdout);
}

static int opens(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd;
}

static int reads(const char *path) { return opens(path, O_RDONLY); }

// Makes a file in the folder, and removes it.
static int creates_in(const char *folder) {
    char path[300];
    snprintf(path, sizeof path, "%s/probe-%d", folder, getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return fd;
    close(fd);
    return unlink(path);
}

// Refused by a peer that isn't there is allowed by the policy.
static int connects(const char *address, int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    // Silence is an answer, too: SIGALRM.
    alarm(8);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &at.sin_addr);
    int result = connect(fd, (struct sockaddr *)&at, sizeof at);
    int why = errno;
    close(fd);
    errno = why;
    return result < 0 && why == ECONNREFUSED ? 0 : result;
}

static int binds(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int result = bind(fd, (struct sockaddr *)&at, sizeof at);
    int why = errno;
    close(fd);
    errno = why;
    return result;
}

static int sockets(int family, int type, int protocol) {
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0) close(fd);
    return fd;
}

static int executes(const char *path) {
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        dup2(open("/dev/null", O_RDWR), 1);
        execl(path, path, "--version", (char *)NULL);
        _exit(200);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = EACCES;
    return WIFEXITED(status) && WEXITSTATUS(status) == 200 ? -1 : 0;
}

static int makes_user_namespace(void) { return unshare(CLONE_NEWUSER); }
// Where it leaves no trace: in a view of its own, from which nothing comes back.
static int mounts(void) {
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
    return mount("tmpfs", "/mnt", "tmpfs", 0, NULL);
}
static int traces(void) { return ptrace(PTRACE_SEIZE, 1, 0, 0); }

static int loads_module(void) {
    // Garbage: an image that may be loaded is refused for its format.
    int result = syscall(SYS_init_module, "garbage", 7, "");
    return result < 0 && errno == ENOEXEC ? 0 : result;
}

static int loads_bpf(void) {
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

static int names_host(void) {
    char name[65];
    if (gethostname(name, sizeof name) < 0) return -1;
    return sethostname(name, strlen(name));
}

// To go on: what PID 1 does anyhow.
static int signals_init(void) { return kill(1, SIGCONT); }
static int becomes_user(void) { return setresuid(65534, 65534, 65534); }
// Ctrl-Alt-Del stays what it is in a guest without a keyboard: without effect.
static int reboots(void) { return syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL); }

// Writes what it has into an attribute of its own: the right to change it at all is asked for first.
static int keeps_context(const char *attribute) {
    char context[300] = "";
    int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, context, sizeof context - 1);
    if (fd >= 0) close(fd);
    if (length <= 0 || (fd = open(attribute, O_RDWR | O_CLOEXEC)) < 0) return -1;
    ssize_t written = write(fd, context, length);
    int why = errno;
    close(fd);
    errno = why;
    return written < 0 ? -1 : 0;
}

static int changes_context(void) { return keeps_context("/proc/self/attr/current"); }
static int chooses_context(void) { return keeps_context("/proc/self/attr/exec"); }

static int calls_socket(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int result = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&at, sizeof at);
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return result;
}

static size_t put(unsigned char *to, size_t at, unsigned char code, char type, const char *text) {
    while (at % 8) to[at++] = 0;
    unsigned int length = strlen(text);
    to[at++] = code, to[at++] = 1, to[at++] = type, to[at++] = 0;
    memcpy(to + at, &length, 4);
    memcpy(to + at + 4, text, length + 1);
    return at + 4 + length + 1;
}

// The answer to the call, which PID 1 sends among signals: a return (2), or an error (3), whose name tells. It is made again
// each second: systemd looks at what came with the end of the handshake only when more arrives.
static int answers(int fd, const void *call, size_t length) {
    static unsigned char got[1 << 20];
    size_t have = 0, at = 0;
    for (int turn = 1; have < sizeof got; turn++) {
        ssize_t more = read(fd, got + have, sizeof got - have);
        if (more < 0 && errno == EAGAIN) {
            usleep(50000);
            if (turn % 20 == 0 && write(fd, call, length) < 0) return -1;
            continue;
        }
        if (more <= 0) break;
        have += more;
        if (at == 0) {
            unsigned char *ok = memmem(got, have, "OK ", 3);
            unsigned char *end = ok ? memmem(ok, got + have - ok, "\r\n", 2) : NULL;
            if (!end) continue;
            at = end + 2 - got;
        }
        while (have - at >= 16) {
            unsigned int body, fields;
            memcpy(&body, got + at + 4, 4), memcpy(&fields, got + at + 12, 4);
            size_t size = 16 + (fields + 7) / 8 * 8 + body;
            if (have - at < size) break;
            if (got[at + 1] == 2) return 0;
            if (got[at + 1] == 3) {
                // Any other error says that the policy had nothing against it.
                errno = EACCES;
                return memmem(got + at, size, "AccessDenied", 12) ? -1 : 0;
            }
            at += size;
        }
    }
    errno = EPROTO;
    return -1;
}

// Asks PID 1 by its private socket, as waagent-ext does: METHOD(unit, "replace", and so many empty arrays). EACCES: the
// policy's answer.
static int asks_manager(const char *method, const char *signature, int arrays, const char *unit) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/private"};
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) return -1;
    unsigned char message[1024] = {0};
    dprintf(fd, "%cAUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", 0);
    size_t body = 0, head = 16;
    unsigned char arguments[512] = {0};
    const char *texts[] = {unit, "replace"};
    for (int i = 0; i < 2; i++) {
        while (body % 4) body++;
        unsigned int length = strlen(texts[i]);
        memcpy(arguments + body, &length, 4);
        memcpy(arguments + body + 4, texts[i], length + 1);
        body += 4 + length + 1;
    }
    // Each a length, and the alignment of the structures that it doesn't hold.
    for (; arrays > 0; arrays--) body = ((body + 3) / 4 * 4 + 4 + 7) / 8 * 8;
    head = put(message, head, 1, 'o', "/org/freedesktop/systemd1");
    head = put(message, head, 2, 's', "org.freedesktop.systemd1.Manager");
    head = put(message, head, 3, 's', method);
    head = put(message, head, 6, 's', "org.freedesktop.systemd1");
    while (head % 8) head++;
    message[head++] = 8, message[head++] = 1, message[head++] = 'g', message[head++] = 0;
    message[head++] = strlen(signature);
    memcpy(message + head, signature, strlen(signature) + 1);
    head += strlen(signature) + 1;
    unsigned int fields = head - 16, serial = 1, length = body;
    message[0] = 'l', message[1] = 1, message[2] = 0, message[3] = 1;
    memcpy(message + 4, &length, 4), memcpy(message + 8, &serial, 4), memcpy(message + 12, &fields, 4);
    while (head % 8) head++;
    memcpy(message + head, arguments, body);
    if (write(fd, message, head + body) < 0) return -1;
    // On a busy machine PID 1 takes its time.
    alarm(180);
    return answers(fd, message, head + body);
}

static int starts(const char *unit) { return asks_manager("StartUnit", "ss", 0, unit); }
// Of the runner's name: it isn't asked what the unit is called.
static int starts_transient(void) {
    return asks_manager("StartTransientUnit", "ssa(sv)a(sa(sv))", 2, "waagent-ext-run@probe-1.service");
}

int main(int argc, char **argv) {
    if (argc > 1) key = argv[1];
    if (argc > 2) {
        // The runner opens its commands' streams itself.
        for (int fd = 0, null = open("/dev/null", O_RDWR); fd < 3; fd++) dup2(null, fd);
        char command[300];
        snprintf(command, sizeof command, "%s %s", argv[2], key);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        return 1;
    }
    char context[300] = "";
    int self = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
    if (self < 0 || read(self, context, sizeof context - 1) <= 0) strcpy(context, "none");
    printf("context %s\n", context);
    signal(SIGPIPE, SIG_IGN);
#define LIB "/var/lib/waagent/"
    say("read-shadow", reads("/etc/shadow"));
    say("read-transport-key", reads(LIB "certs/TransportPrivate.pem"));
    say("read-private-key", reads(key));
    say("read-host-key", reads("/etc/ssh/ssh_host_rsa_key"));
    say("read-sas-uris", reads(LIB "fetch/private/goal-state-uris.json"));
    say("read-media", reads("/run/waagent/media/media.json"));
    say("read-home", reads("/home/orchard/.ssh/authorized_keys"));
    say("read-command", opens(LIB "ext/commands", O_RDONLY | O_DIRECTORY));
    say("write-net", creates_in(LIB "net"));
    say("write-fetch", creates_in(LIB "fetch"));
    say("write-packages", creates_in(LIB "fetch/packages"));
    say("write-certs", creates_in(LIB "certs"));
    say("write-disk", creates_in(LIB "disk"));
    say("write-provision", creates_in(LIB "provision"));
    say("write-ext", creates_in(LIB "ext"));
    say("write-command", creates_in(LIB "ext/commands"));
    say("write-result", creates_in(LIB "ext/results"));
    say("write-handler", creates_in(LIB "Contoso.Orchard.Hello-1.0.3"));
    say("write-media", creates_in("/run/waagent/media"));
    say("write-etc", creates_in("/etc"));
    say("write-unit", creates_in("/etc/systemd/system"));
    say("write-runtime-unit", creates_in("/run/systemd/system"));
    say("write-cron", creates_in("/etc/cron.d"));
    say("write-sudoers", creates_in("/etc/sudoers.d"));
    say("write-libexec", creates_in("/usr/libexec/waagent"));
    say("write-udev", creates_in("/etc/udev/rules.d"));
    say("write-configuration", creates_in("/etc/waagent.conf.d"));
    say("write-log", opens("/var/log/waagent.log", O_WRONLY));
    say("connect-wireserver", connects("168.63.129.16", 80));
    say("connect-hostga", connects("168.63.129.16", 32526));
    say("connect-imds", connects("169.254.169.254", 80));
    say("connect-ssh", connects("127.0.0.1", 22));
    say("connect-high-port", connects("127.0.0.1", 4444));
    say("connect-elsewhere", connects("203.0.113.10", 4444));
    say("connect-bus", calls_socket("/run/dbus/system_bus_socket"));
    say("bind-port", binds(8081));
    say("raw-socket", sockets(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    say("packet-socket", sockets(AF_PACKET, SOCK_RAW, 0));
    say("route-socket", sockets(AF_NETLINK, SOCK_RAW, 0));
    say("netfilter-socket", sockets(AF_NETLINK, SOCK_RAW, 12));
    say("vsock-socket", sockets(AF_VSOCK, SOCK_STREAM, 0));
    say("execute-shell", executes("/usr/bin/bash"));
    say("execute-tool", executes("/usr/bin/cat"));
    say("execute-su", executes("/usr/bin/su"));
    say("load-module", loads_module());
    say("load-bpf", loads_bpf());
    say("trace-init", traces());
    say("signal-init", signals_init());
    say("set-user", becomes_user());
    say("reboot", reboots());
    say("mount", mounts());
    say("user-namespace", makes_user_namespace());
    say("host-name", names_host());
    say("read-raw-disk", opens("/dev/nvme0n1", O_RDONLY));
    say("write-raw-disk", opens("/dev/nvme0n1", O_WRONLY));
    say("read-memory", reads("/dev/mem"));
    say("write-core-pattern", opens("/proc/sys/kernel/core_pattern", O_WRONLY));
    say("change-context", changes_context());
    say("choose-context", chooses_context());
    say("setenforce", opens("/sys/fs/selinux/enforce", O_WRONLY));
    say("load-policy", opens("/sys/fs/selinux/load", O_WRONLY));
    say("selinux-config", opens("/etc/selinux/config", O_WRONLY));
    say("start-sshd", starts("ssh.service"));
    say("start-runner", starts("waagent-ext-run@probe-0.service"));
    say("start-transient", starts_transient());
    return 0;
}
