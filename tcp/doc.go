// Package tcp knows what a checkpoint has to know of TCP connections: which two
// sockets are the ends of one, what is in flight between them, how to have all of
// it in the receive queues without taking anything from the program, and how to
// make the same connection again without privilege.
//
// It works on descriptors of this process, which may be copies of a program's.
package tcp
