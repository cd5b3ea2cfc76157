// Rare kernel state: guard pages, membarrier registration, locked memory, mapped
// files that are deleted. After a line on standard input it is checked.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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
    signal(SIGSEGV, on_segv);
    printf("ready %d %d %d\n", guards, barrier, lock);
    char line[100];
    if (read(0, line, sizeof line) < 0) return 2;
    if (guards && (!faults(p + 65536) || !faults(p + 65536 + 8191))) return puts("no guard pages"), 3;
    if (faults(p) || faults(p + 65535) || faults(p + 65536 + 8192)) return puts("too many guard pages"), 4;
    if (barrier && syscall(SYS_membarrier, 1 << 3, 0, 0)) return puts("not registered for membarrier"), 5;
    if (!kept(file) || !kept(shm)) return puts("a deleted file has lost its contents"), 6;
    puts("undisturbed");
    return 0;
}
