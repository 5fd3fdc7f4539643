// In the place of waagent-fetch: what is written into fetch/loot/orders is obeyed, line by line, and answered in
// fetch/loot/answers.
//   put FILE AS          publishes a file of the loot as a document or package, whole and at once, as the fetcher does
//   swap FILE OTHER AS S for so many seconds the one and the other in turns, renamed over and rewritten in place
//   grow AS MIB          a document of this size
//   folder AS            a folder in the place of a document
//   link AS TO           a link in its place; AS.old is what it was
//   remove AS
#include "stolen.h"

#define LOOT FETCH "loot/"

static FILE *answers;

static void say(const char *what, const char *name, int result) {
    fprintf(answers, "%s %s %s\n", what, name, result >= 0 ? "yes" : strerrorname_np(errno));
    fflush(answers);
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

static int links(const char *as, const char *to) {
    char old[PATH + 8];
    snprintf(old, sizeof old, "%s.old", as);
    return rename(as, old) < 0 ? -1 : symlink(to, as);
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
    else if (!strcmp(verb, "link")) say("link", a, links(path, b));
}

int obey_orders(void) {
    // Its documents are for the group, as the fetcher's are.
    umask(0027);
    answers = fopen(LOOT "answers", "a");
    if (!answers) return 1;
    for (time_t said = 0;; usleep(100000)) {
        if (time(NULL) - said >= 20) {
            tell_manager("WATCHDOG=1");
            said = time(NULL);
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
