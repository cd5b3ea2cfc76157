package process

import (
	"os/exec"
	"testing"

	"mana/task"
)

// BenchmarkRestore rebuilds a program with 256 MiB of memory in use.
func BenchmarkRestore(b *testing.B) {
	const mib = "256"
	path := compile(b, "basic")
	p := exec.Command(path, "4", mib)
	in, err := p.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	var line [5]byte
	if _, err := out.Read(line[:]); err != nil {
		b.Fatal(err)
	}
	im, st, _ := checkpoint(b, p.Process.Pid, Options{})
	p.Process.Kill()
	_ = p.Wait()
	b.SetBytes(im.Size)
	for b.Loop() {
		tr := task.NewTracer()
		err := tr.Do(func() error {
			r, err := Restore(st, RestoreOptions{Memory: im})
			if err == nil {
				r.Kill()
			}
			return err
		})
		tr.Close()
		if err != nil {
			b.Fatal(err)
		}
	}
}
