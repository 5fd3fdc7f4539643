// What the files of the hostile program share. One program plays all: what it is started as says in whose place it is.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FETCH "/var/lib/waagent/fetch/"
enum { LINE = 4096, PATH = LINE + 64 };
// Beyond all numbers of errors: another program of the agent has read what was asked, and refused it.
enum { BY_GATE = 200, BY_TRANSFER };

int with_errno(int result, int why);
// What the test tells it: an environment variable of the service manager's, "" if it isn't there.
const char *told(const char *variable);
// "act <name> <yes | an error's or a signal's name | gate | transfer>" for each act of acts.h, and of requests.h if these are
// to be tried too; then "acts done".
void try_all(int with_requests);
void tell_manager(const char *word);
// In waagent-fetch's place: obeys what is written into fetch/loot/orders. Doesn't return.
int obey_orders(void);
// In waagent-transfer's place: answers the fetcher. Doesn't return.
int answer_fetcher(void);
