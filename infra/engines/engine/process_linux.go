package engine

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownGroup makes a process the leader of its own group.
func ownGroup() *syscall.SysProcAttr { return EndsWithUs(syscall.SIGKILL) }

// EndsWithUs makes a process the leader of its own group, which gets the signal when this one dies,
// even by kill -9.
func EndsWithUs(s syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: s}
}

// keepsAttributes tells whether the file system of a folder takes extended
// attributes of users.
func keepsAttributes(folder string) bool {
	probe := filepath.Join(folder, ".probe")
	if os.WriteFile(probe, nil, 0o600) != nil {
		return false
	}
	defer func() { _ = os.Remove(probe) }() // the folder is about to be used, and goes
	return syscall.Setxattr(probe, "user.buzon", []byte("1"), 0) == nil
}
