/* exec.c - a program that starts the MPI program hands the stub on.
 *
 * Wrappers exec the MPI program in their place (env, taskset, numactl) or in a
 * child (a shell script, make, a Python driver). The stub and the control page
 * would be lost: the environment of the new program gets both, its own stub
 * takes them out again. Once a process of the rank uses MPI, children are
 * somebody else and get nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub.h"

static int is(const char *entry, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(entry, name, n) && entry[n] == '=';
}

/* The environment with stub and control page; 0 if there is no memory for it. */
static char **with_stub(char *const *env)
{
	static char preload[4 * PATH_MAX], original[4 * PATH_MAX], page[128];
	size_t n = 0;
	Dl_info self;
	while (env && env[n])
		n++;
	char **out = malloc((n + 4) * sizeof *out), **to = out;
	if (!out || !dladdr((void *)(uintptr_t)with_stub, &self)) {
		free(out);
		return 0;
	}
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", self.dli_fname);
	snprintf(page, sizeof page, MANA_EXEC_VARIABLE "=%s", (const char *)mana_ctl->path);
	for (size_t i = 0; i < n; i++) {
		if (!is(env[i], "LD_PRELOAD")) {
			*to++ = env[i];
			continue;
		}
		snprintf(preload, sizeof preload, "%s:%s", env[i], self.dli_fname);
		snprintf(original, sizeof original, "MANA_ORIG_%s", env[i]);
		*to++ = original;
	}
	*to++ = preload;
	*to++ = page;
	*to = 0;
	return out;
}

static int hands_on(void)
{
	return mana_ctl->magic == MANA_CTL_MAGIC && mana_ctl->path[0] &&
	       (!mana_ctl->owner || mana_ctl->owner == (uint32_t)mana_getpid());
}

static int exec(const char *path, char *const argv[], char *const env[])
{
	char **with = hands_on() ? with_stub(env) : 0;
	int rc = (int)mana_sys(SYS_execve, (long)path, (long)argv, (long)(with ? with : (char **)env), 0, 0, 0);
	free(with);
	errno = -rc;
	return -1;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	return exec(path, argv, env);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return exec(path, argv, environ);
}

/* Searches PATH and runs files without a known header by the shell, as execvp(3) says. */
EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	typedef int fn(const char *, char *const[], char *const[]);
	fn *real = (fn *)dlsym(RTLD_NEXT, "execvpe");
	char **with = hands_on() ? with_stub(env) : 0;
	int rc = real ? real(file, argv, with ? with : (char **)env) : -1;
	free(with);
	return rc;
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

typedef int spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
		     char *const[], char *const[]);

static int spawn(const char *name, pid_t *pid, const char *path, const posix_spawn_file_actions_t *acts,
		 const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	spawn_fn *real = (spawn_fn *)dlsym(RTLD_NEXT, name);
	/* Of the process itself, which uses MPI: its child is not the MPI program. */
	char **with = hands_on() && !mana_ctl->owner ? with_stub(env) : 0;
	int rc = real ? real(pid, path, acts, attr, argv, with ? with : (char **)env) : ENOSYS;
	free(with);
	return rc;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *acts,
		       const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return spawn("posix_spawn", pid, path, acts, attr, argv, env);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *acts,
			const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return spawn("posix_spawnp", pid, file, acts, attr, argv, env);
}
