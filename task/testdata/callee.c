// Prints the address of a function and of a stack for it, then computes with
// vector registers for ever, comparing two results.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

long add6(long a, long b, long c, long d, long e, long f) {
    volatile double x = a; // clobber what a call may clobber
    for (int i = 0; i < 100; i++) x = x * 1.5 - 1;
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + (getppid() > 0);
}

long forever(void) { for (;;) usleep(1000); }
long crash(void) { return *(volatile int *)0; }

int main(void) {
    char *stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%p %p %p %p\n", (void *)add6, (void *)forever, (void *)crash, stack + 65536);
    fflush(stdout);
    for (;;) {
        double a = 1, b = 1;
        for (int i = 0; i < 100000; i++) a = a * 1.0000001 + 0.5, b = b * 1.0000001 + 0.5;
        if (a != b) return 3;
    }
}
