/*
 * count STEPS PAUSE_US FILE: counts on stdout and into FILE, one number per line,
 * and ends with RESULT. Also built static.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 100, pause_us = argc > 2 ? atol(argv[2]) : 0, bytes = 4 << 20;
	FILE *f = fopen(argc > 3 ? argv[3] : "/dev/null", "w");
	uint64_t h = 14695981039346656037u;
	unsigned char *mem = malloc(bytes);
	pid_t pid = getpid();

	if (!f || !mem)
		return 2;
	memset(mem, 0, bytes);
	for (long i = 0; i < steps; i++) {
		for (long j = i % 4096; j < bytes; j += 4096) {
			mem[j] += (unsigned char)(i + j);
			h = (h ^ mem[j]) * 1099511628211u;
		}
		if (getpid() != pid) {
			fprintf(stderr, "FAIL pid %d, was %d\n", (int)getpid(), (int)pid);
			return 3;
		}
		printf("step %ld\n", i);
		fflush(stdout);
		fprintf(f, "%ld\n", i);
		fflush(f);
		if (pause_us && !(getenv("MANAE2E_HURRY") && access(getenv("MANAE2E_HURRY"), F_OK) == 0))
			usleep(pause_us);
	}
	fclose(f);
	printf("RESULT count steps=%ld %016llx\n", steps, (unsigned long long)h);
	return 0;
}
