/* environ.h - the environment of a program into which a library was preloaded. */
#ifndef MANA_ENVIRON_H
#define MANA_ENVIRON_H

#include <string.h>

/* NAME=value becomes what the agent kept in MANA_ORIG_NAME, or goes. */
static inline void mana_restore_variable(char **env, const char *name)
{
	static const char prefix[] = "MANA_ORIG_";
	size_t n = strlen(name), p = sizeof prefix - 1;
	char **to = env, *orig = 0;
	for (char **e = env; *e; e++)
		if (!strncmp(*e, prefix, p) && !strncmp(*e + p, name, n) && (*e)[p + n] == '=')
			orig = *e + p;
	for (char **e = env; *e; e++) {
		if (orig && *e == orig - p)
			continue;
		if (!strncmp(*e, name, n) && (*e)[n] == '=') {
			if (orig)
				*to++ = orig;
			continue;
		}
		*to++ = *e;
	}
	*to = 0;
}

#endif
