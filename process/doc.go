// Package process knows what a Linux process is made of: it collects all of it
// from a running program and rebuilds a program from it.
package process
