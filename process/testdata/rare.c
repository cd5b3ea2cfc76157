// Rare kernel state: guard pages, membarrier registration, locked memory, mapped
// files that are deleted, unix sockets shut down or closed, signals of a pipe.
// After a line on standard input it is checked.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static sigjmp_buf back;
static void on_segv(int s) { (void)s; siglongjmp(back, 1); }

static int faults(char *p) {
    if (sigsetjmp(back, 1)) return 1;
    *(volatile char *)p = 1;
    return 0;
}

// A mapping of a deleted file that nobody has looked into: five pages of text, then a hole.
static char *unseen(const char *dir, int prot) {
    char name[200], text[5 * 4096];
    snprintf(name, sizeof name, "%s/unseen.XXXXXX", dir);
    int fd = mkstemp(name);
    memset(text, 'x', sizeof text);
    if (fd < 0 || pwrite(fd, text, sizeof text, 0) != sizeof text || ftruncate(fd, 64 * 4096)) exit(6);
    char *p = mmap(0, 64 * 4096, prot, MAP_SHARED, fd, 0);
    close(fd);
    unlink(name);
    return p;
}

static int kept(const char *p) {
    for (int i = 0; i < 64 * 4096; i++)
        if (p[i] != (i < 5 * 4096 ? 'x' : 0)) return 0;
    return 1;
}

static int half[2], closed[2], named;

static void sockets(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, half);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, closed);
    named = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "rare.%d", getpid());
    if (write(half[0], "last", 4) != 4 || shutdown(half[0], SHUT_WR)) exit(7);
    if (write(closed[0], "first", 5) != 5 || write(closed[0], "then", 4) != 4 || close(closed[0])) exit(7);
    if (bind(named, (void *)&a, sizeof a) || sendto(sender, "letter", 6, 0, (void *)&a, sizeof a) != 6 || close(sender)) exit(7);
}

static int told[2];
static volatile sig_atomic_t signals;
static void on_io(int s) { (void)s; signals++; }

// A pipe that sends a signal when there is something in it.
static void telling(void) {
    signal(SIGIO, on_io);
    if (pipe(told) || fcntl(told[0], F_SETOWN, getpid()) || fcntl(told[0], F_SETFL, O_ASYNC)) exit(8);
}

static int gives(int fd, const char *want) {
    char buf[100];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    return n == (ssize_t)strlen(want) && memcmp(buf, want, strlen(want)) == 0;
}

int main(void) {
    setvbuf(stdout, 0, _IOLBF, 0);
    char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, 1 << 20);
    int guards = madvise(p + 65536, 8192, 102) == 0; // MADV_GUARD_INSTALL, Linux 6.13
    int barrier = syscall(SYS_membarrier, 1 << 4, 0, 0) == 0; // REGISTER_PRIVATE_EXPEDITED
    char *locked = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int lock = mlock(locked, 16384) == 0;
    const char *dir = getenv("TMPDIR");
    char *file = unseen(dir ? dir : "/tmp", PROT_READ), *shm = unseen("/dev/shm", PROT_READ | PROT_WRITE);
    sockets();
    telling();
    signal(SIGSEGV, on_segv);
    printf("ready %d %d %d\n", guards, barrier, lock);
    char line[100];
    if (read(0, line, sizeof line) < 0) return 2;
    if (guards && (!faults(p + 65536) || !faults(p + 65536 + 8191))) return puts("no guard pages"), 3;
    if (faults(p) || faults(p + 65535) || faults(p + 65536 + 8192)) return puts("too many guard pages"), 4;
    if (barrier && syscall(SYS_membarrier, 1 << 3, 0, 0)) return puts("not registered for membarrier"), 5;
    if (!kept(file) || !kept(shm)) return puts("a deleted file has lost its contents"), 6;
    if (!gives(half[1], "last") || !gives(half[1], "")) return puts("no end of what was shut down"), 7;
    if (write(half[1], "back", 4) != 4 || !gives(half[0], "back")) return puts("both directions are shut down"), 7;
    if (!gives(closed[1], "first") || !gives(closed[1], "then")) return puts("datagrams of a closed end are lost"), 7;
    if (!gives(named, "letter")) return puts("a datagram at a name is lost"), 7;
    if (write(told[1], "x", 1) != 1 || signals != 1) return puts("no signal from a pipe"), 8;
    puts("undisturbed");
    return 0;
}
