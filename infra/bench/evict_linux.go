package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// dontNeed is POSIX_FADV_DONTNEED.
const dontNeed = 4

// evict drops a file from the page cache, if no process has it open: the next to
// read it waits for the disk.
func evict(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync() // what is not written yet cannot be dropped
	if _, _, code := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); code != 0 {
		err = errors.Join(err, fmt.Errorf("page cache of %s: %w", file, code))
	}
	return errors.Join(err, f.Close())
}
