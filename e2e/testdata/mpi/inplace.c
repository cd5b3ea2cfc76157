/*
 * inplace: every rank overwrites a number in a file of its own again and again,
 * and looks before whether it is the last one that it has written.
 */
#include "check.h"

#include <fcntl.h>

int main(int argc, char **argv)
{
	char file[300];
	long last = 0, found = 0, sum;

	begin(argc, argv);
	snprintf(file, sizeof file, "inplace.%d", me);
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0, "%s", file);
	for (long k = 0; k < steps; k++) {
		for (int i = 0; i < 2000; i++) {
			if (pread(fd, &found, sizeof found, 0) > 0)
				CHECK(found == last, "the file says %ld, I wrote %ld", found, last);
			last++;
			CHECK(pwrite(fd, &last, sizeof last, 0) == sizeof last, "%s", file);
		}
		MPI_Allreduce(&last, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		mix_long(sum);
		end_step(k);
	}
	finish();
}
