/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SQLite with four threads, for real.py: sqlite MODE. Each thread reads a table of its own and writes to it.
 *   shared  one connection for all, which its mutex serialises
 *   own     one for each thread, its mutex off
 *   status  as "own", but SQLite keeps its statistics of memory, under one mutex for all
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 1000

static sqlite3 *shared;

static sqlite3 *connection(int flags)
{
	sqlite3 *db;

	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | flags, NULL) !=
	    SQLITE_OK)
		exit(99);
	return db;
}

static void run(sqlite3 *db, const char *format, int number)
{
	char sql[400];

	snprintf(sql, sizeof(sql), format, number, number);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		exit(98);
}

static void *work(void *p)
{
	int number = (int)(long)p;
	sqlite3 *db = shared ? shared : connection(SQLITE_OPEN_NOMUTEX);

	run(db, "create table t%d (a integer primary key, b text)", number);
	run(db,
	    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) "
	    "insert into t%d select i, 'row ' || i from n",
	    number);
	for (int k = 0; k < ROUNDS; k++) {
		run(db, "select count(*), sum(length(b)) from t%d where b like '%%7%%'", number);
		run(db, "update t%d set b = b || 'x' where a %% 50 = 7", number);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];

	if (argc < 2)
		return 99;
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, strcmp(argv[1], "status") == 0);
	if (strcmp(argv[1], "shared") == 0)
		shared = connection(SQLITE_OPEN_FULLMUTEX);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
