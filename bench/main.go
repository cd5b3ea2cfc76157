// Command bench compares programs under mana with the same programs alone: what
// it costs while nothing happens, and what a checkpoint and a restart cost. It
// prints tables and judges nothing; both columns come from the same minutes of
// the same machine, because figures of different runs do not compare.
package main

import (
	"flag"
	"fmt"
	"os"

	"mana/e2e/harness"
)

func main() {
	binary := flag.String("binary", "bin/mana", "the product")
	rounds := flag.Int("rounds", 3, "runs of each kind, interleaved; the best counts")
	blocks := flag.Int("blocks", 200, "blocks of MPI calls per run; the fastest counts")
	mib := flag.Int("mib", 1024, "memory of the checkpointed process, in MiB")
	only := flag.String("only", "", "one part: latency, checkpoint or criu")
	flag.Parse()
	env, err := harness.New(*binary)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	defer env.Close()
	failed := false
	part := func(name string, f func() error) {
		if *only != "" && *only != name {
			return
		}
		if err := f(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
			failed = true
		}
	}
	part("latency", func() error { return latency(env, *rounds, *blocks) })
	part("checkpoint", func() error { return checkpoints(env, *rounds, *mib) })
	part("criu", func() error { return compared(env, *rounds, *mib) })
	if failed {
		env.Close()
		os.Exit(1)
	}
}
