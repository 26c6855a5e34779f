package main

import (
	"os"
	"runtime"
	"syscall"
)

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
