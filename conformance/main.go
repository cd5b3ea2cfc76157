// Command conformance runs a built copy of MPICH's test suite natively and under
// the product and prints where the two differ. A test passes as its own runner
// would say: exit code 0, "No Errors" and no other output. With -mode continue
// a checkpoint is taken at a random moment of each test that lasts long enough,
// with -mode restart the checkpoint kills the test, which is then restarted.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"mana/e2e/harness"
)

// lazyTook is taken for what a test takes natively where nobody has looked.
const lazyTook = 5 * time.Second

type options struct {
	suite, mpi, dirs, only, mode, lists, binary, cache, log string
	ranks, sample, attempts                                 int
	seed                                                    uint64
	limit                                                   time.Duration
	lazy, verbose                                           bool
}

func main() {
	var o options
	flag.StringVar(&o.suite, "suite", "", "the built suite: a directory with one directory per group of tests")
	flag.StringVar(&o.mpi, "mpi", "", "what it was built for: mpich or openmpi (default: the suite directory's name)")
	flag.StringVar(&o.dirs, "dirs", "", "directories to run, separated by commas (default: those of the suite's list)")
	flag.StringVar(&o.only, "only", "", "run the entries that match this regular expression")
	flag.StringVar(&o.mode, "mode", "run", "run, continue or restart")
	flag.StringVar(&o.lists, "lists", "testlist", "names of the lists, separated by commas")
	flag.StringVar(&o.binary, "binary", "bin/mana", "the product")
	flag.StringVar(&o.cache, "cache", "", "file of native outcomes (default: native.json in the suite)")
	flag.StringVar(&o.log, "log", "", "file to append the output of failing tests to")
	flag.IntVar(&o.ranks, "ranks", 4, "most ranks to use")
	flag.IntVar(&o.sample, "sample", 0, "run only so many entries, chosen at random")
	flag.IntVar(&o.attempts, "attempts", 4, "runs of one entry to get a checkpoint into")
	flag.DurationVar(&o.limit, "limit", time.Minute, "how long a test may take natively")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1e9), "of the random moments")
	flag.BoolVar(&o.lazy, "lazy", false, "with -mode run: run natively only what fails under the product")
	flag.BoolVar(&o.verbose, "v", false, "a line for every entry")
	flag.Parse()
	differences, err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if differences > 0 {
		os.Exit(1)
	}
}

func (o *options) run() (int, error) {
	if o.suite == "" || (o.mode != "run" && o.mode != "continue" && o.mode != "restart") {
		return 0, fmt.Errorf("needs -suite, and -mode run, continue or restart")
	}
	if o.lazy && o.mode != "run" {
		return 0, fmt.Errorf("-lazy needs -mode run: a random moment needs the time that a test takes")
	}
	suite, err := OpenSuite(o.suite, strings.Split(o.lists, ","))
	if err != nil {
		return 0, err
	}
	if o.mpi == "" {
		o.mpi = filepath.Base(suite.Dir)
	}
	mpi := harness.MPI(o.mpi)
	if (mpi != harness.MPICH && mpi != harness.OpenMPI) || !mpi.Installed() {
		return 0, fmt.Errorf("no MPI %q here: choose mpich or openmpi with -mpi", o.mpi)
	}
	if o.cache == "" {
		o.cache = filepath.Join(suite.Dir, "native.json")
	}
	known, err := openCache(o.cache)
	if err != nil {
		return 0, err
	}
	random := rand.New(rand.NewPCG(o.seed, 0))
	entries, err := o.entries(suite, random)
	if err != nil {
		return 0, err
	}
	env, err := harness.New(o.binary)
	if err != nil {
		return 0, err
	}
	defer env.Close()
	r := &runner{env: env, suite: suite, mpi: mpi, attempts: o.attempts, limit: o.limit, random: random}
	return o.all(r, entries, known)
}

// entries are those of the chosen directories that match.
func (o *options) entries(suite *Suite, random *rand.Rand) ([]*Entry, error) {
	match, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	dirs := []string{"."}
	if o.dirs != "" {
		dirs = strings.Split(o.dirs, ",")
	}
	var chosen []*Entry
	for _, dir := range dirs {
		found, err := suite.Load(filepath.Clean(dir), o.ranks)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if match.MatchString(e.ID()) {
				chosen = append(chosen, e)
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no test of %s matches", suite.Dir)
	}
	if o.sample > 0 && o.sample < len(chosen) {
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:o.sample]
	}
	return chosen, nil
}

// all runs the entries and returns how many differ.
func (o *options) all(r *runner, entries []*Entry, known *cache) (int, error) {
	report := newReport(o.mode, o.seed)
	for _, e := range entries {
		if e.Except != "" {
			report.skip(e, e.Except)
			continue
		}
		began := time.Now()
		native, got, err := o.one(r, e, known)
		if err != nil {
			return 0, err
		}
		if native.Fault != "" {
			report.skip(e, "fails natively: "+native.Fault)
			continue
		}
		report.add(e, got)
		if o.verbose {
			fmt.Printf("%-60s %6.2fs native %6.2fs %s\n", e.ID(), time.Since(began).Seconds(), native.Took.Seconds(), report.word(got))
		}
		if err := o.note(got); err != nil {
			return 0, err
		}
	}
	return report.print(os.Stdout), nil
}

// one runs an entry natively, if that outcome is not known, and under the product
// if it passes.
func (o *options) one(r *runner, e *Entry, known *cache) (native, got Outcome, err error) {
	if o.lazy && !known.has(e.ID()) {
		if got = r.under(e, lazyTook); got.Fault == "" {
			return got, got, known.put(got)
		}
	}
	native, err = known.get(e.ID(), func() Outcome { return r.native(e) })
	switch {
	case err != nil || native.Fault != "" || got.Fault != "":
	case o.mode == "run":
		got = r.under(e, native.Took)
	default:
		got = r.disturbed(e, native.Took, o.mode == "restart")
	}
	return native, got, err
}

// note keeps the whole output of a failure.
func (o *options) note(got Outcome) error {
	if o.log == "" || got.Fault == "" {
		return nil
	}
	file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "=== %s: %s\n%s\n", got.ID, got.Fault, got.Detail)
	return err
}
