// Package process knows what a Linux process is made of: it collects all of it
// from a running program and rebuilds a program from it.
//
// A checkpoint, as its caller (an agent, the parent of the program) sees it:
//
//	f, err := process.Freeze(pid, opts) // all threads stop; what cannot be saved is refused
//	f.RunLower(); f.Do(…leader.Call…)   // MPI: quiesce the library
//	snap, err := f.Snapshot()           // state, and a copy-on-write child for the memory
//	stall, err := f.Thaw()              // the program runs on
//	res, err := image.Write(snap, path, image.WriteOptions{})
//	snap.Close()
//
// If snap.Live() there is no such child, and Thaw comes after Write. Whatever
// fails, Thaw and Close put everything back: the program notices nothing.
//
// snap.State may be completed (State.MPI) until image.Write. The metadata of an
// image is the State as JSON; a Run's Offset is for image.ReadAt.
//
// # How a stop stays invisible
//
// A thread that was inside a system call finds it going on: the kernel restarts
// it, and the calls that it would answer with EINTR are marked for restart too
// (hideStop). A thread in a restartable sequence is sent to its abort handler,
// one in the vdso is stepped out of it. Signals that arrive meanwhile stay
// pending and are delivered afterwards. The snapshot is our child, not the
// program's, and lets go of all descriptors as soon as it can.
package process
