#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kill -9 of the program: mutrace dies of the same signal, and the report is complete up to that moment and
# says so.
. "$(dirname "$0")/lib.sh"

# In a shell of its own: the one that runs this would otherwise write "Killed" into our stderr.
expect 137 bash -c '"$@"; exit $?' - "$mutrace" --json="$work/json" \
	sh -c 'echo "$MUTRACE_SESSION" >where; exec "$0" then-die' "$workloads/truth"
measured=$(sed -n 's/^waited_ns //p' "$work/out")
check_json "$work/json" \
	'[q["complete"] for q in d["processes"] if q["locks"]] == [False]' \
	'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
	"abs(lock('guilty_lock')['wait_ns']['total'] - $measured) <= 0.15 * $measured"
says guilty_lock
says "killed by SIGKILL"
[ -s where ] && [ ! -e "$(cat where)" ] || fail "the session was left behind in $(cat where)"

# A process that ends past the C library was not killed: known of the program, and of other processes if the
# system tells.
cat >past.c <<'SOURCE'
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t past_lock = PTHREAD_MUTEX_INITIALIZER;

static void use(void)
{
	pthread_mutex_lock(&past_lock);
	pthread_mutex_unlock(&past_lock);
}

/* Two children: one ends past the C library, one is killed, both after they were seen. */
int main(int argc, char **argv)
{
	use();
	for (int i = 0; argc > 2 && i < 2; i++) {
		if (fork() == 0) {
			use();
			sleep(2);
			if (i == 0)
				syscall(SYS_exit_group, 3);
			kill(getpid(), SIGKILL);
		}
	}
	while (wait(NULL) > 0)
		;
	syscall(SYS_exit_group, atoi(argv[argc - 1]));
}
SOURCE
${CC:-cc} -o past past.c -lpthread || exit 99
expect 5 "$mutrace" --json=json ./past 5
check_json json 'p["end"] == "quit" and p["complete"]'
! grep -q killed err || fail "killed?"
expect 0 "$mutrace" --json=json ./past children 0
check_json json \
	'sorted(q["end"] for q in d["processes"]) in (["killed", "quit", "quit"], ["ended", "ended", "quit"])'
