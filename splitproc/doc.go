// Package splitproc splits a process in two: it chooses the stub that a
// program sees as its MPI library and loads the real library, with a libc of
// its own, as the lower half into the zone of the running process.
package splitproc
