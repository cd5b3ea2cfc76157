// A program that does nothing but what a stop could disturb: it waits in all
// kinds of system calls, takes signals and measures time. It prints "ready",
// ends with a message at the first surprise, and with status 0 when its standard
// input says so.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CHECK(ok) do { if (!(ok)) die(#ok, __LINE__); } while (0)

static void die(const char *what, int line) {
    fprintf(stderr, "signals.c:%d disturbed: %s (%s)\n", line, what, strerror(errno));
    _exit(3);
}

static atomic_int stop, ticks;
static int pipefd[2];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void on_alarm(int s) { (void)s; ticks++; }

static char *page;
static void on_segv(int s, siginfo_t *i, void *c) {
    (void)s, (void)c;
    if (i->si_addr != page) _exit(4);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void *segv(void *a) {
    page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; !stop; i++) {
        *(volatile int *)page = i;
        CHECK(*(volatile int *)page == i);
        mprotect(page, 4096, PROT_NONE);
        usleep(100);
    }
    return a;
}

static void *writer(void *a) {
    for (unsigned char c = 0; !stop; c++) {
        CHECK(write(pipefd[1], &c, 1) == 1);
        usleep(200);
    }
    close(pipefd[1]);
    return a;
}

static void *reader(void *a) {
    unsigned char want = 0, c;
    for (;;) {
        ssize_t n = read(pipefd[0], &c, 1);
        CHECK(n >= 0);
        if (n == 0) return a;
        CHECK(c == want++);
    }
}

static void *rtqueue(void *a) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN + 1);
    pthread_sigmask(SIG_BLOCK, &s, 0);
    for (int i = 0; !stop; i += 3) {
        for (int k = 0; k < 3; k++) {
            union sigval v = {.sival_int = i + k};
            CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, v) == 0);
        }
        usleep(300);
        for (int k = 0; k < 3; k++) {
            siginfo_t si;
            struct timespec ts = {1, 0};
            CHECK(sigtimedwait(&s, &si, &ts) == SIGRTMIN + 1);
            CHECK(si.si_value.sival_int == i + k && si.si_code == SI_QUEUE);
        }
    }
    return a;
}

static void *timed(void *a) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    sem_t sem;
    sem_init(&sem, 0, 0);
    pthread_mutex_lock(&m);
    while (!stop) {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_nsec += 3000000;
        if (ts.tv_nsec >= 1000000000) ts.tv_sec++, ts.tv_nsec -= 1000000000;
        CHECK(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT);
        CHECK(sem_timedwait(&sem, &ts) == -1 && errno == ETIMEDOUT);
        double t = now();
        struct timespec d = {0, 2000000};
        CHECK(nanosleep(&d, 0) == 0);
        CHECK(now() - t >= 0.002);
        t = now();
        CHECK(poll(0, 0, 3) == 0);
        CHECK(now() - t >= 0.003);
        t = now();
        CHECK(ppoll(0, 0, &d, 0) == 0);
        CHECK(now() - t >= 0.002);
        struct timeval tv = {0, 2000};
        t = now();
        CHECK(select(0, 0, 0, 0, &tv) == 0);
        CHECK(now() - t >= 0.002);
    }
    return a;
}

static void *sockets(void *a) {
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    struct timeval tv = {0, 4000};
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    int ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e);
    char c;
    while (!stop) {
        CHECK(recv(s[0], &c, 1, 0) == -1 && (errno == EAGAIN || errno == EWOULDBLOCK));
        CHECK(read(s[0], &c, 1) == -1 && (errno == EAGAIN || errno == EWOULDBLOCK));
        CHECK(epoll_wait(ep, &e, 1, 3) == 0);
    }
    return a;
}

static void *churn(void *a) {
    unsigned seed = (unsigned)(size_t)a;
    char *block[64] = {0};
    size_t size[64] = {0};
    while (!stop) {
        int i = rand_r(&seed) % 64;
        for (size_t k = 0; k < size[i]; k++) CHECK(block[i][k] == (char)i);
        free(block[i]);
        size[i] = rand_r(&seed) % 5000;
        block[i] = malloc(size[i] + 1);
        memset(block[i], i, size[i]);
        CHECK(sched_getcpu() >= 0);
    }
    return a;
}

static void *spawner(void *a) {
    while (!stop) {
        pthread_t t;
        CHECK(pthread_create(&t, 0, (void *(*)(void *))usleep, (void *)200) == 0);
        CHECK(pthread_join(t, 0) == 0);
    }
    return a;
}

static void *watch(void *a) {
    struct sigaction sa;
    while (!stop) {
        CHECK(sigaction(SIGTRAP, 0, &sa) == 0 && (a ? sa.sa_handler == SIG_IGN : sa.sa_handler == SIG_DFL));
        CHECK(sigaction(SIGSEGV, 0, &sa) == 0 && sa.sa_sigaction == on_segv);
        usleep(500);
    }
    return a;
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    int ignore_trap = argc > 1 && !strcmp(argv[1], "ignore");
    if (ignore_trap) signal(SIGTRAP, SIG_IGN);
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &sa, 0);
    struct sigaction sv = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sv, 0);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &s, 0);
    CHECK(pipe(pipefd) == 0);
    void *(*work[])(void *) = {segv, writer, reader, rtqueue, timed, sockets, churn, churn, spawner};
    enum { N = sizeof work / sizeof *work };
    pthread_t t[N], w;
    for (size_t i = 0; i < N; i++) pthread_create(&t[i], 0, work[i], (void *)(i + 1));
    pthread_create(&w, 0, watch, ignore_trap ? &s : 0);
    pthread_sigmask(SIG_UNBLOCK, &s, 0);
    struct itimerval it = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &it, 0);
    puts("ready");
    // The alarm, which interrupts this thread, must never be lost: else it hangs.
    for (;;) {
        int before = ticks;
        CHECK(pause() == -1 && errno == EINTR && ticks > before);
        struct pollfd p = {0, POLLIN, 0};
        if (poll(&p, 1, 0) == 1) break;
    }
    stop = 1;
    for (size_t i = 0; i < N; i++) pthread_join(t[i], 0);
    puts("undisturbed");
    return 0;
}
