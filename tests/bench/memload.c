/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memload: a load for memcached. Each thread keeps CONNECTIONS connections, sends to each a batch of DEPTH
 * requests (nine gets, one set, random keys) and reads the answers. Prints requests a second as JSON.
 *
 *     memload [-p PORT] [-t THREADS] [-c CONNECTIONS] [-d DEPTH] [-s SECONDS] [-k KEYS]
 *
 * Used by apps.py. DEPTH 1 is how most clients behave; more lets the server do without system calls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VALUE "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv" /* 64 bytes */
#define DEPTH_MAX 64
#define REQUEST_MAX 160

static int port = 11211, threads = 2, connections = 16, depth = 1, keys = 100000;
static double seconds = 2;

/* A connection; where the parser stands in the line that is coming in. */
struct connection {
	int fd;
	int expected; /* answers to come */
	int column;
	char first, second;
};

struct client {
	pthread_t thread;
	uint64_t random, requests;
	struct connection *connections;
	double elapsed;
};

static void die(const char *what)
{
	fprintf(stderr, "memload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static int connect_server(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void send_batch(struct client *c, struct connection *to)
{
	char buffer[DEPTH_MAX * REQUEST_MAX];
	size_t n = 0, sent = 0;

	for (int i = 0; i < depth; i++) {
		unsigned int key = (unsigned int)(next_random(&c->random) % (unsigned int)keys);

		if (next_random(&c->random) % 10)
			n += (size_t)snprintf(buffer + n, REQUEST_MAX, "get key%u\r\n", key);
		else
			n += (size_t)snprintf(buffer + n, REQUEST_MAX, "set key%u 0 0 64\r\n%s\r\n", key,
					      VALUE);
	}
	while (sent < n) {
		ssize_t r = send(to->fd, buffer + sent, n - sent, MSG_NOSIGNAL);

		if (r < 0 && errno != EINTR)
			die("cannot send");
		sent += r > 0 ? (size_t)r : 0;
	}
	to->expected = depth;
}

/* An answer ends with a line END or STORED; a line of a value starts with v, VALUE announces one. */
static void take_line(struct connection *from)
{
	if ((from->first == 'E' && from->second == 'N') || (from->first == 'S' && from->second == 'T'))
		from->expected--;
	else if (from->first != 'V' && from->first != 'v')
		errno = EPROTO, die("unexpected answer");
	from->column = 0;
}

static void read_answers(struct connection *from)
{
	char buffer[16384];

	while (from->expected > 0) {
		ssize_t r = recv(from->fd, buffer, sizeof(buffer), 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			die("cannot receive");
		for (ssize_t i = 0; i < r; i++) {
			if (buffer[i] == '\n') {
				take_line(from);
				continue;
			}
			if (from->column == 0)
				from->first = buffer[i];
			else if (from->column == 1)
				from->second = buffer[i];
			from->column++;
		}
	}
}

static void *client_main(void *argument)
{
	struct client *c = argument;
	double start = now();

	do {
		for (int i = 0; i < connections; i++)
			send_batch(c, &c->connections[i]);
		for (int i = 0; i < connections; i++)
			read_answers(&c->connections[i]);
		c->requests += (uint64_t)(connections * depth);
	} while ((c->elapsed = now() - start) < seconds);
	return NULL;
}

int main(int argc, char **argv)
{
	struct client *clients;
	double rate = 0;
	uint64_t requests = 0;
	int o;

	while ((o = getopt(argc, argv, "p:t:c:d:s:k:")) != -1) {
		switch (o) {
		case 'p': port = atoi(optarg); break;
		case 't': threads = atoi(optarg); break;
		case 'c': connections = atoi(optarg); break;
		case 'd': depth = atoi(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'k': keys = atoi(optarg); break;
		default: return 2;
		}
	}
	if (optind != argc || threads < 1 || connections < 1 || depth < 1 || depth > DEPTH_MAX || keys < 1)
		return 2;
	clients = calloc((size_t)threads, sizeof(*clients));
	for (int i = 0; clients && i < threads; i++) {
		clients[i].random = (uint64_t)i + 1;
		clients[i].connections = calloc((size_t)connections, sizeof(struct connection));
		for (int n = 0; clients[i].connections && n < connections; n++)
			clients[i].connections[n].fd = connect_server();
		if (!clients[i].connections ||
		    pthread_create(&clients[i].thread, NULL, client_main, &clients[i]))
			die("cannot start a thread");
	}
	for (int i = 0; clients && i < threads; i++) {
		pthread_join(clients[i].thread, NULL);
		rate += (double)clients[i].requests / clients[i].elapsed;
		requests += clients[i].requests;
	}
	printf("{\"requests\": %llu, \"per_second\": %.0f}\n", (unsigned long long)requests, rate);
	return 0;
}
