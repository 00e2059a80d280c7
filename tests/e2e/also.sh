#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Facts about a lock that waits do not tell, where they matter: attempts that failed, waits that were given
# up, and many readers. Of other locks nothing is said.
. "$(dirname "$0")/lib.sh"

need "${CC:-cc}"
cat >also.c <<'END'
#include <pthread.h>
#include <time.h>
static pthread_mutex_t tried = PTHREAD_MUTEX_INITIALIZER, timed = PTHREAD_MUTEX_INITIALIZER,
		       plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static void *reader(void *a)
{
	for (int i = 0; i < 200000; i++) {
		pthread_rwlock_rdlock(&table);
		pthread_rwlock_unlock(&table);
	}
	return a;
}
static void *other(void *a)
{
	struct timespec past = { .tv_sec = 1 };
	for (int i = 0; i < 90; i++)
		pthread_mutex_trylock(&tried);
	pthread_mutex_timedlock(&timed, &past);
	return a;
}
int main(void)
{
	pthread_t t[2];
	pthread_mutex_lock(&tried);
	pthread_mutex_lock(&timed);
	pthread_create(&t[0], NULL, other, NULL);
	pthread_join(t[0], NULL);
	pthread_mutex_unlock(&tried);
	pthread_mutex_unlock(&timed);
	pthread_mutex_lock(&plain);
	pthread_mutex_unlock(&plain);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, reader, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}
END
${CC:-cc} -O1 -g -pthread -o also also.c || exit 99
expect 0 "$mutrace" ./also
said() {
	sed -n "/^  Lock [0-9]*: $1, /,/^\$/p" err | tr '\n' ' ' | tr -s ' ' | grep -qE "$2" || fail "$1: $2"
}
said tried ' also 90 attempts to take it without waiting failed; it was acquired 1 time'
said timed ' also 1 wait was given up'
said table ' also read-locked [0-9 ]+ times a second, each of which moves its memory between'
grep -q "Lock [0-9]*: plain" err && fail "a lock of which there is nothing to say"
[ "$(grep -c "^    also " err)" = 3 ] || fail "more is said than matters"
exit 0
