package main

import (
	"runtime"
	"syscall"
	"time"
)

// work is what one run of something took of this process, garbage collection
// included.
type work struct {
	cpu    time.Duration
	bytes  uint64
	allocs uint64
}

// run runs f n times and gives what one took. Other programs on the machine do not
// count, as they would in the time that passes.
func run(n int, f func() error) (work, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began, err := ownCPU()
	if err != nil {
		return work{}, err
	}
	for range n {
		if err := f(); err != nil {
			return work{}, err
		}
	}
	ended, err := ownCPU()
	if err != nil {
		return work{}, err
	}
	runtime.ReadMemStats(&after)
	return work{
		(ended - began) / time.Duration(n),
		(after.TotalAlloc - before.TotalAlloc) / uint64(n), (after.Mallocs - before.Mallocs) / uint64(n),
	}, nil
}

// ownCPU is the processor time of this process so far.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
