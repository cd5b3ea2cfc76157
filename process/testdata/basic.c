// A program with threads, descriptors, signals, timers and odd memory. It prints
// "ready", then checks itself all the time: any disturbance ends it with a
// message. A line on stdin ends it with status 0.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    fprintf(stderr, "disturbed: %s (%s)\n", what, strerror(errno));
    _exit(3);
}

static atomic_int stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter, shadow;

static void *contend(void *arg) {
    while (!stop) {
        pthread_mutex_lock(&lock);
        if (counter != shadow) die("mutex");
        counter++;
        shadow++;
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void *compute(void *arg) {
    // Doubles in vector registers, compared with a second computation.
    while (!stop) {
        double a = 1, b = 1;
        for (int i = 0; i < 100000; i++) {
            a = a * 1.0000001 + 0.5;
            b = b * 1.0000001 + 0.5;
        }
        if (a != b) die("registers");
    }
    return arg;
}

static void *sleep_epoll(void *arg) {
    int ep = *(int *)arg;
    while (!stop) {
        struct epoll_event ev;
        int n = epoll_wait(ep, &ev, 1, 200);
        if (n < 0) die("epoll_wait");
    }
    return 0;
}

static void *sleep_sigwait(void *arg) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    struct timespec ts = {0, 200000000};
    while (!stop)
        if (sigtimedwait(&s, 0, &ts) < 0 && errno != EAGAIN) die("sigtimedwait");
    return arg;
}

static void *sleep_nano(void *arg) {
    while (!stop) {
        struct timespec ts = {0, 50000000};
        if (nanosleep(&ts, 0)) die("nanosleep");
    }
    return arg;
}

static void *clocks(void *arg) {
    struct timespec a = {0}, b;
    while (!stop) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec)) die("clock went back");
        a = b;
    }
    return arg;
}

static void on_usr1(int s) { (void)s; }

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 4;
    size_t mib = argc > 2 ? atoi(argv[2]) : 4;
    prctl(PR_SET_NAME, "basic-main");
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    sigprocmask(SIG_BLOCK, &s, 0);
    struct sigaction sa = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &sa, 0);
    signal(SIGPIPE, SIG_IGN);
    kill(getpid(), SIGUSR2);
    sigaddset(&s, SIGRTMIN + 3);
    pthread_sigmask(SIG_BLOCK, &s, 0);
    union sigval v = {.sival_int = 4711};
    sigqueue(getpid(), SIGRTMIN + 3, v);

    int p[2];
    if (pipe(p) || write(p[1], "in the pipe", 11) != 11) die("pipe");
    int ev = eventfd(42, EFD_NONBLOCK);
    int tf = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec its = {{3, 0}, {1000, 5}};
    timerfd_settime(tf, 0, &its, 0);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1234567890};
    epoll_ctl(ep, EPOLL_CTL_ADD, tf, &e);
    int sfd = signalfd(-1, &s, 0);
    int sp[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, sp);
    if (write(sp[0], "in the socket", 13) != 13) die("socketpair");
    char name[] = "/tmp/basicXXXXXX";
    int gf = mkstemp(name);
    unlink(name);
    if (write(gf, "ghost", 5) != 5) die("ghost");
    int dupfd = dup(gf);
    int mf = memfd_create("mem", MFD_ALLOW_SEALING);
    if (write(mf, "memfd data", 10) != 10) die("memfd");
    (void)ev, (void)sfd, (void)dupfd;

    char *shared = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(shared + 8192, "shared anonymous");
    char *none = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(none + 4096, "behind PROT_NONE");
    mprotect(none, 65536, PROT_NONE);
    char *wipe = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(wipe, "wiped on fork");
    madvise(wipe, 65536, MADV_WIPEONFORK);
    char *dont = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(dont + 20000, "not forked");
    madvise(dont, 65536, MADV_DONTFORK);
    char *big = mmap(0, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < mib << 20; i += 4096) *(size_t *)(big + i) = i + 1;
    timer_t timer;
    struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
    timer_create(CLOCK_REALTIME, &se, &timer);
    struct itimerspec ti = {{0, 0}, {5000, 0}};
    timer_settime(timer, 0, &ti, 0);

    pthread_t id;
    for (int i = 0; i < threads; i++) pthread_create(&id, 0, i % 2 ? compute : contend, 0);
    pthread_create(&id, 0, sleep_epoll, &ep);
    pthread_create(&id, 0, sleep_sigwait, 0);
    pthread_create(&id, 0, sleep_nano, 0);
    if (argc < 4) pthread_create(&id, 0, clocks, 0); // a fourth argument: use no processor time
    printf("ready %p %p %p %p %p\n", shared + 8192, none + 4096, wipe, dont + 20000, big);
    fflush(stdout);
    char line[100];
    errno = 0;
    ssize_t n = read(0, line, sizeof line);
    if (n < 0) die("read");
    stop = 1;
    for (size_t i = 0; i < mib << 20; i += 4096)
        if (*(size_t *)(big + i) != i + 1) die("memory");
    if (waitpid(-1, 0, WNOHANG | __WALL) != -1 || errno != ECHILD) die("a child appeared");
    char buf[100];
    if (read(p[0], buf, 100) != 11) die("pipe contents");
    if (read(sp[1], buf, 100) != 13) die("socket contents");
    puts("undisturbed");
    return 0;
}
