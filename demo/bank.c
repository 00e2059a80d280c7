/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The demo: a bank whose customers wait. Four clerks make transfers and look up balances, an auditor sums up
 * all accounts a hundred times a second. Everything goes through accounts_lock. Which of the three functions
 * is to blame for the waiting? Not the one that locks most often: run "mutrace ./bank" and see.
 *
 * It ends by itself after two seconds and prints nothing but whether the books balance.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CLERKS 4
#define ACCOUNTS 1000
#define OPENING 100
#define SECONDS 2

static pthread_mutex_t accounts_lock = PTHREAD_MUTEX_INITIALIZER;
static long accounts[ACCOUNTS];

static pthread_rwlock_t rates_lock = PTHREAD_RWLOCK_INITIALIZER;
static double rates[2] = { 0.01, 0.02 };

static volatile int closed;
static int wrong;

static void pause_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static void transfer(unsigned int from, unsigned int to)
{
	pthread_mutex_lock(&accounts_lock);
	accounts[from]--;
	accounts[to]++;
	pthread_mutex_unlock(&accounts_lock);
}

static long balance(unsigned int account)
{
	long value;

	pthread_mutex_lock(&accounts_lock);
	value = accounts[account];
	pthread_mutex_unlock(&accounts_lock);
	return value;
}

static double interest(long value)
{
	double rate;

	pthread_rwlock_rdlock(&rates_lock);
	rate = rates[value > OPENING];
	pthread_rwlock_unlock(&rates_lock);
	return (double)value * rate;
}

static void change_rates(void)
{
	pthread_rwlock_wrlock(&rates_lock);
	rates[0] += 0.0001;
	rates[1] += 0.0001;
	pthread_rwlock_unlock(&rates_lock);
}

/* The culprit: the books need the lock, but what is written to the slow printer needs it no more. */
static void audit(void)
{
	long sum = 0;

	pthread_mutex_lock(&accounts_lock);
	for (int i = 0; i < ACCOUNTS; i++)
		sum += accounts[i];
	pause_us(4000); /* the printer */
	pthread_mutex_unlock(&accounts_lock);
	if (sum != (long)ACCOUNTS * OPENING)
		wrong = 1;
}

static void *clerk(void *argument)
{
	unsigned int seed = (unsigned int)(size_t)argument;
	double paid = 0;

	while (!closed) {
		for (int i = 0; i < 8; i++)
			transfer((unsigned int)rand_r(&seed) % ACCOUNTS,
				 (unsigned int)rand_r(&seed) % ACCOUNTS);
		paid += interest(balance((unsigned int)rand_r(&seed) % ACCOUNTS));
		pause_us(100); /* the next customer */
	}
	return paid < 0 ? argument : NULL;
}

static void *auditor(void *argument)
{
	while (!closed) {
		audit();
		change_rates();
		pause_us(6000);
	}
	return argument;
}

int main(void)
{
	pthread_t clerks[CLERKS], audits;

	for (int i = 0; i < ACCOUNTS; i++)
		accounts[i] = OPENING;
	for (size_t i = 0; i < CLERKS; i++)
		if (pthread_create(&clerks[i], NULL, clerk, (void *)(i + 1)) != 0)
			return EXIT_FAILURE;
	if (pthread_create(&audits, NULL, auditor, NULL) != 0)
		return EXIT_FAILURE;
	pause_us(SECONDS * 1000000L);
	closed = 1;
	for (int i = 0; i < CLERKS; i++)
		pthread_join(clerks[i], NULL);
	pthread_join(audits, NULL);
	puts(wrong ? "bank: the books do not balance" : "bank: the books balance");
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
