package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// cpuTime is how long this process has kept a processor busy.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// peakMB is the largest resident memory that an ended process had, in MB.
func peakMB(p *os.ProcessState) float64 {
	use, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // bytes there, KiB elsewhere
		return float64(use.Maxrss) / 1e6
	}
	return float64(use.Maxrss) * 1024 / 1e6
}
