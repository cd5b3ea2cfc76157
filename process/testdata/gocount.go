// Command gocount STEPS PAUSE_US counts with goroutines, timers, channels and the
// garbage collector at work: a checkpoint must not confuse Go's runtime, which
// remembers thread ids and uses its own signals.
package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"sync"
	"time"
)

func arg(i, def int) int {
	if len(os.Args) > i {
		if n, err := strconv.Atoi(os.Args[i]); err == nil {
			return n
		}
	}
	return def
}

func worker(jobs <-chan int, answers chan<- uint64, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range jobs {
		garbage := make([]byte, 64<<10)
		for i := range garbage {
			garbage[i] = byte(i * j)
		}
		h := fnv.New64a()
		h.Write(garbage)
		answers <- h.Sum64()
	}
}

func main() {
	steps, pause := arg(1, 50), time.Duration(arg(2, 0))*time.Microsecond
	jobs, answers := make(chan int), make(chan uint64, 64)
	var wg sync.WaitGroup
	for range 16 {
		wg.Add(1)
		go worker(jobs, answers, &wg)
	}
	ticks := 0
	tick := time.NewTicker(2 * time.Millisecond)
	var sum uint64
	pid := os.Getpid()
	for k := range steps {
		for j := range 32 {
			go func() { jobs <- k*32 + j }()
		}
		for range 32 {
			select {
			case a := <-answers:
				sum += a
			case <-time.After(time.Minute):
				fmt.Fprintln(os.Stderr, "FAIL no answer for a minute")
				os.Exit(3)
			}
		}
		<-tick.C
		ticks++
		if os.Getpid() != pid {
			fmt.Fprintln(os.Stderr, "FAIL pid changed")
			os.Exit(3)
		}
		fmt.Println("step", k)
		if _, err := os.Stat(os.Getenv("MANAE2E_HURRY")); err != nil {
			time.Sleep(pause)
		}
	}
	close(jobs)
	wg.Wait()
	fmt.Printf("RESULT gocount steps=%d ticks=%d %016x\n", steps, ticks, sum)
}
