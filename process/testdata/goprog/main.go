// A Go program that keeps its runtime busy and checks itself.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func die(what string, args ...any) {
	fmt.Fprintf(os.Stderr, "disturbed: "+what+"\n", args...)
	os.Exit(3)
}

func main() {
	var stop atomic.Bool
	var wg sync.WaitGroup
	run := func(f func()) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				f()
			}
		}()
	}
	c := make(chan int)
	var n, want int
	run(func() {
		select {
		case c <- n:
			n++
		case <-time.After(10 * time.Millisecond):
		}
	})
	run(func() {
		select {
		case got := <-c:
			if got != want {
				die("channel gave %d, want %d", got, want)
			}
			want++
		case <-time.After(10 * time.Millisecond):
		}
	})
	for range 4 {
		run(func() { // garbage
			m := map[int][]byte{}
			for i := range 1000 {
				m[i] = make([]byte, i)
			}
			for i, b := range m {
				if len(b) != i {
					die("map")
				}
			}
		})
	}
	run(runtime.GC)
	run(func() {
		t := time.Now()
		time.Sleep(5 * time.Millisecond)
		if time.Since(t) < 5*time.Millisecond {
			die("short sleep")
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die("listen: %v", err)
	}
	go func() {
		for {
			k, err := l.Accept()
			if err != nil {
				die("accept: %v", err)
			}
			k.Write([]byte("hello"))
			k.Close()
		}
	}()
	lost := 0 // connections; a restart may cost one
	run(func() {
		k, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			lost++
			return
		}
		b := make([]byte, 10)
		if n, err := k.Read(b); err != nil || n != 5 {
			lost++
		}
		k.Close()
		time.Sleep(time.Millisecond)
	})
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	stop.Store(true)
	wg.Wait()
	if lost > 1 {
		die("%d connections lost", lost)
	}
	fmt.Println("undisturbed"[:11-lost])
}
