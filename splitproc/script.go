package splitproc

import (
	"bytes"
	"io"
	"os"
)

// maxScripts bounds the chain of scripts that interpret scripts, as the kernel
// does (exec_binprm in fs/exec.c).
const maxScripts = 5

// interpreter is the binary that the kernel really executes for a program: for
// a script that of its first line (binfmt_script), for all others itself.
func interpreter(program string) string {
	for range maxScripts {
		next := firstLine(program)
		if next == "" {
			break
		}
		program = next
	}
	return program
}

// firstLine returns what follows "#!", without its argument; "" if the file is no script.
func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, _ := io.ReadFull(f, head)
	line, ok := bytes.CutPrefix(head[:n], []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if fields := bytes.Fields(line); len(fields) > 0 {
		return string(fields[0])
	}
	return ""
}
