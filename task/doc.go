// Package task controls one stopped thread of another process by ptrace: it
// seizes and stops it, reads and writes its registers and memory, makes it
// execute system calls or call one of its own functions, and lets it go again
// as if nothing had happened.
//
// Thread rule: the kernel ties a tracee to the thread that seized it, so every
// method of a Task has to run on the OS thread that called Seize or Spawn. A
// Tracer gives such a thread: it runs closures on one locked thread. When that
// thread ends the kernel detaches all its tracees.
//
// Borrowing rule: the first Syscall or Call after a stop saves the registers
// and the signal mask of the program and blocks its signals; Regs, SetRegs,
// SigMask and SetSigMask go on to show and change the program's own values, and
// Cont, Detach or Return put them back. So a long series of remote calls costs
// one register write, one step and one register read each.
//
// A remote system call needs the address of a syscall instruction in the
// target (the gate, found in the vdso unless SetGate named one). Helpers that
// pass structures or strings also need a few bytes of memory in the target,
// named by SetScratch.
package task
