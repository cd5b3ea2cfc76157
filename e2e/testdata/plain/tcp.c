/*
 * tcp: TCP connections between the processes of a tree in every state that they
 * can be checkpointed in; each byte is checked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

/* FLIGHT: what is under way at most, several times what the receive buffer takes at
 * first. Without a bound every restart, which makes room for all, would let more in. */
enum { KINDS = 3, LEFT = 70000, CHUNK = 48 << 10, FLIGHT = 2 << 20 };

/* Byte n of the data that goes from side s. */
static unsigned char byte(int s, uint64_t n) { return (unsigned char)(n * 7 + (n >> 8) + (n >> 16) * 5 + (unsigned)s * 101); }

/* stream is one end of a connection with endless data in both directions. */
struct stream {
	int fd, side;
	uint64_t sent, got;
	volatile uint64_t *read; /* both ends' counts of what has been read, in shared memory */
};

/* fill sends until the kernel takes no more, or enough is under way. */
static void fill(struct stream *s)
{
	unsigned char b[CHUNK];
	ssize_t n = 0;

	while (n >= 0 && s->sent - s->read[1 - s->side] < FLIGHT) {
		for (int i = 0; i < CHUNK; i++)
			b[i] = byte(s->side, s->sent + (uint64_t)i);
		n = send(s->fd, b, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
		CHECK(n >= 0 || errno == EAGAIN);
		if (n > 0)
			s->sent += (uint64_t)n;
	}
}

/* drain reads up to max bytes, waiting for the first or the end; it returns 0 at the end. */
static int drain(struct stream *s, int max)
{
	unsigned char b[CHUNK];
	ssize_t n;

	while (max > 0) {
		n = recv(s->fd, b, (size_t)(max < CHUNK ? max : CHUNK), 0);
		CHECK(n >= 0);
		if (n == 0)
			return 0;
		for (int i = 0; i < n; i++)
			CHECK(b[i] == byte(1 - s->side, s->got + (uint64_t)i));
		s->got += (uint64_t)n;
		if (s->read)
			s->read[s->side] = s->got;
		max -= (int)n;
	}
	return 1;
}

static void drain_all(struct stream *s)
{
	while (drain(s, CHUNK))
		;
}

static void send_some(struct stream *s, int n)
{
	static unsigned char b[LEFT];

	for (int i = 0; i < n; i++)
		b[i] = byte(s->side, s->sent + (uint64_t)i);
	CHECK(send(s->fd, b, (size_t)n, MSG_NOSIGNAL) == n);
	s->sent += (uint64_t)n;
}

/* name is both addresses of a socket as text. */
static void name(int fd, char *out, size_t size)
{
	struct sockaddr_storage a[2];
	unsigned char *p = (unsigned char *)a;
	socklen_t n = sizeof a[0], m = sizeof a[1];

	memset(a, 0, sizeof a);
	CHECK(getsockname(fd, (struct sockaddr *)&a[0], &n) == 0 && getpeername(fd, (struct sockaddr *)&a[1], &m) == 0);
	for (size_t i = 0; i < size / 2 - 1; i++)
		sprintf(out + 2 * i, "%02x", i < 28 ? p[i] : i < 56 ? p[i - 28 + sizeof a[0]] : 0);
}

/* Kinds of sockets: IPv4; IPv6; IPv4 to an IPv6 socket. The port is none that the kernel
 * gives to those who do not care: between a kill and a restart it stays free. */
static int listener(int kind, struct sockaddr_storage *at, socklen_t *len)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(kind == 0 ? AF_INET : AF_INET6, SOCK_STREAM, 0), one = 1;

	if (kind == 2)
		six.sin6_addr = in6addr_any;
	CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
	for (int i = 0; ; i++) {
		four.sin_port = six.sin6_port = htons((uint16_t)(10000 + (getpid() * 7 + i) % 20000));
		if (bind(fd, kind == 0 ? (struct sockaddr *)&four : (struct sockaddr *)&six, kind == 0 ? sizeof four : sizeof six) == 0)
			break;
		CHECK(errno == EADDRINUSE && i < 20000);
	}
	CHECK(listen(fd, 16) == 0);
	*len = sizeof *at;
	CHECK(getsockname(fd, (struct sockaddr *)at, len) == 0);
	if (kind == 2) {
		four.sin_port = ((struct sockaddr_in6 *)at)->sin6_port;
		memcpy(at, &four, *len = sizeof four);
	}
	return fd;
}

static int connected(const struct sockaddr_storage *at, socklen_t len)
{
	int fd = socket(at->ss_family, SOCK_STREAM, 0);

	CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)at, len) == 0);
	return fd;
}

/* The connections of one kind; the parent has side 0. */
struct set {
	int listener;
	struct sockaddr_storage at;
	socklen_t len;
	struct stream flow; /* full in both directions */
	struct stream half; /* the child has shut it down for writing */
	struct stream gone; /* the child has sent and closed it */
	struct stream late; /* not accepted yet */
	struct stream echo; /* the child waits in read(2) most of the time */
	int copy;           /* of flow.fd */
	volatile uint64_t *read; /* of flow */
	char flow_name[120];
};

static void echo(struct stream *s)
{
	for (;;) {
		uint64_t before = s->got;
		struct pollfd p = {s->fd, POLLIN, 0};
		char c;

		CHECK(poll(&p, 1, -1) == 1);
		if (recv(s->fd, &c, 1, MSG_PEEK) == 0)
			break;
		drain(s, 1);
		send_some(s, (int)(s->got - before));
	}
	exit(0);
}

static void child(struct set *sets, int ctl)
{
	char c = 0;

	for (int k = 0; k < KINDS; k++) {
		struct set *s = &sets[k];
		struct stream *all[] = {&s->flow, &s->half, &s->gone, &s->echo, &s->late};
		for (int i = 0; i < 5; i++)
			*all[i] = (struct stream){connected(&s->at, s->len), 1, 0, 0, NULL};
		s->flow.read = s->read;
		send_some(&s->half, LEFT);
		CHECK(shutdown(s->half.fd, SHUT_WR) == 0);
		send_some(&s->gone, LEFT);
		CHECK(close(s->gone.fd) == 0);
		close(s->listener);
		name(s->flow.fd, s->flow_name, sizeof s->flow_name);
		if (fork() == 0)
			echo(&s->echo);
		close(s->echo.fd);
	}
	CHECK(write(ctl, "r", 1) == 1);
	/* Its own pace: what it does between two steps of the parent differs. */
	while (recv(ctl, &c, 1, MSG_DONTWAIT) != 1)
		for (int k = 0; k < KINDS; k++) {
			char now[120];
			name(sets[k].flow.fd, now, sizeof now);
			CHECK(strcmp(now, sets[k].flow_name) == 0);
			fill(&sets[k].flow);
			drain(&sets[k].flow, 20000);
			usleep(1000);
		}
	for (int k = 0; k < KINDS; k++) {
		struct set *s = &sets[k];
		CHECK(shutdown(s->flow.fd, SHUT_WR) == 0);
		drain_all(&s->flow);
		drain_all(&s->half);
		send_some(&s->late, LEFT);
		CHECK(shutdown(s->late.fd, SHUT_WR) == 0);
		drain_all(&s->late);
	}
	while (wait(NULL) > 0)
		;
	exit(0);
}

static void start(struct set *s)
{
	struct stream *all[] = {&s->flow, &s->half, &s->gone, &s->echo};
	int on = 1;

	for (int i = 0; i < 4; i++) {
		*all[i] = (struct stream){accept(s->listener, NULL, NULL), 0, 0, 0, NULL};
		CHECK(all[i]->fd >= 0);
	}
	s->flow.read = s->read;
	CHECK(setsockopt(s->half.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
	CHECK(fcntl(s->gone.fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK((s->copy = dup(s->flow.fd)) >= 0);
	name(s->flow.fd, s->flow_name, sizeof s->flow_name);
}

static void step(struct set *s, int epfd)
{
	struct epoll_event ev[KINDS];
	char now[120];
	int on = 0;
	socklen_t len = sizeof on;

	fill(&s->flow);
	CHECK(epoll_wait(epfd, ev, KINDS, 20000) > 0);
	drain(&s->flow, 10000);
	drain(&s->half, 10);
	send_some(&s->half, 10);
	send_some(&s->echo, 3);
	drain(&s->echo, 3);
	name(s->copy, now, sizeof now);
	CHECK(strcmp(now, s->flow_name) == 0);
	CHECK(getsockopt(s->half.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
	CHECK(fcntl(s->gone.fd, F_GETFL) & O_NONBLOCK);
}

static void finish(struct set *s)
{
	struct pollfd p = {s->gone.fd, POLLIN | POLLRDHUP, 0};

	CHECK(shutdown(s->copy, SHUT_WR) == 0 && shutdown(s->half.fd, SHUT_WR) == 0 && shutdown(s->echo.fd, SHUT_WR) == 0);
	drain_all(&s->flow);
	drain_all(&s->half);
	CHECK(s->half.got == LEFT);
	CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLRDHUP));
	drain_all(&s->gone);
	CHECK(s->gone.got == LEFT);
	drain_all(&s->echo);
	s->late = (struct stream){accept(s->listener, NULL, NULL), 0, 0, 0, NULL};
	CHECK(s->late.fd >= 0);
	send_some(&s->late, LEFT);
	CHECK(shutdown(s->late.fd, SHUT_WR) == 0);
	drain_all(&s->late);
	CHECK(s->late.got == LEFT);
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	static struct set sets[KINDS];
	int ctl[2], epfd = epoll_create1(0), status;
	char c;

	CHECK(argc > 2 && epfd >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ctl) == 0);
	volatile uint64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	for (int k = 0; k < KINDS; k++) {
		sets[k].listener = listener(k, &sets[k].at, &sets[k].len);
		sets[k].read = shared + 2 * k;
	}
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		child(sets, ctl[1]);
	for (int k = 0; k < KINDS; k++)
		start(&sets[k]);
	CHECK(read(ctl[0], &c, 1) == 1);
	for (int k = 0; k < KINDS; k++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)k};
		CHECK(epoll_ctl(epfd, EPOLL_CTL_ADD, sets[k].flow.fd, &ev) == 0);
	}
	for (long k = 0; k < steps; k++) {
		for (int i = 0; i < KINDS; i++)
			step(&sets[i], epfd);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep((useconds_t)pause_us);
	}
	CHECK(write(ctl[0], "e", 1) == 1);
	for (int k = 0; k < KINDS; k++)
		finish(&sets[k]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	printf("RESULT tcp %ld\n", steps);
	return 0;
}
