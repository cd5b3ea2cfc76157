package process

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mana/image"
)

// BenchmarkCheckpoint measures how long a program stands, and how long its image
// takes, by threads and MiB of dirty memory. Run with -benchtime=1x -v.
func BenchmarkCheckpoint(b *testing.B) {
	path := compile(b, "basic")
	for _, c := range []struct {
		threads, mib int
		args         []string
	}{{0, 4, []string{"idle"}}, {0, 4, nil}, {60, 4, nil}, {0, 1024, []string{"idle"}}, {4, 1024, nil}} {
		b.Run(fmt.Sprintf("threads=%d,mib=%d,%v", c.threads, c.mib, c.args), func(b *testing.B) {
			p, _ := start(b, path, append([]string{fmt.Sprint(c.threads), fmt.Sprint(c.mib)}, c.args...)...)
			name := filepath.Join(b.TempDir(), "x.dmtcp")
			for b.Loop() {
				t0 := time.Now()
				f, err := Freeze(p.Process.Pid, Options{})
				if err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				snap, err := f.Snapshot()
				if err != nil {
					f.Thaw()
					b.Fatal(err)
				}
				t2 := time.Now()
				stall, _ := f.Thaw()
				t3 := time.Now()
				res, err := image.Write(snap, name, image.WriteOptions{NoSync: os.Getenv("NOSYNC") != ""})
				if err != nil {
					b.Fatal(err)
				}
				t4 := time.Now()
				snap.Close()
				b.Logf("freeze %v, snapshot %v, thaw %v; stall %v; write %v (%d MiB)", t1.Sub(t0), t2.Sub(t1),
					t3.Sub(t2), stall, t4.Sub(t3), res.Size>>20)
			}
		})
	}
}
