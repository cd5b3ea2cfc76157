/*
 * inplace STEPS PAUSE_US FILE: overwrites a number in FILE again and again, and
 * looks before whether it is the last one that it has written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BYTES = 64 << 20, TIMES = 2000 };

int main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 100, pause_us = argc > 2 ? atol(argv[2]) : 0, last = 0, found = 0;
	int fd = open(argc > 3 ? argv[3] : "/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned *mem = malloc(BYTES);

	if (fd < 0 || !mem)
		return 2;
	for (unsigned i = 0, x = 1; i < BYTES / sizeof *mem; i++) /* noise: writing the image takes a while */
		mem[i] = x = x * 1664525u + 1013904223u;
	for (long i = 0; i < steps; i++) {
		for (int k = 0; k < TIMES; k++) {
			if (pread(fd, &found, sizeof found, 0) > 0 && found != last) {
				fprintf(stderr, "FAIL the file says %ld, I wrote %ld\n", found, last);
				return 3;
			}
			last++;
			if (pwrite(fd, &last, sizeof last, 0) != sizeof last)
				return 2;
		}
		printf("step %ld\n", i);
		fflush(stdout);
		if (pause_us && !(getenv("MANAE2E_HURRY") && access(getenv("MANAE2E_HURRY"), F_OK) == 0))
			usleep(pause_us);
	}
	printf("RESULT inplace steps=%ld last=%ld noise=%u\n", steps, last, mem[BYTES / sizeof *mem - 1]);
	return 0;
}
