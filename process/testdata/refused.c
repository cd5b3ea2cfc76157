// A process that cannot be checkpointed, for the reason named by the argument:
// "ready PID", then it waits for a line.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// A child without a stack of its own shares descriptors but no memory.
static pid_t sharing(unsigned long what) {
    pid_t parent = getpid(), pid = syscall(SYS_clone, what | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent) pause();
        _exit(0);
    }
    return pid;
}

static int filter(void) {
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog prog = {1, all};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv) {
    const char *why = argc > 1 ? argv[1] : "";
    pid_t pid = getpid();
    int failed = 0;
    char line[100];

    if (!strcmp(why, "descriptors")) failed = (pid = sharing(CLONE_FILES)) < 0;
    else if (!strcmp(why, "child")) failed = sharing(0) < 0;
    else if (!strcmp(why, "filter")) failed = filter();
    else if (!strcmp(why, "userfaultfd")) failed = syscall(SYS_userfaultfd, 1) < 0; // UFFD_USER_MODE_ONLY
    else if (!strcmp(why, "io_uring")) failed = syscall(SYS_io_uring_setup, 4, calloc(1, 200)) < 0;
    printf("ready %d %d\n", (int)pid, failed);
    fflush(stdout);
    return read(0, line, sizeof line) < 0;
}
