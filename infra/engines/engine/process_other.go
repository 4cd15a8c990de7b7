//go:build !linux

package engine

import "syscall"

// ownGroup makes a process the leader of its own group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// EndsWithUs is ownGroup: only Linux ends a process with its parent.
func EndsWithUs(syscall.Signal) *syscall.SysProcAttr { return ownGroup() }

// keepsAttributes: not known here, so they go beside the files.
func keepsAttributes(string) bool { return false }
