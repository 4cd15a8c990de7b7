//go:build !linux

package main

import "errors"

// evict works on Linux alone.
func evict(string) error { return errors.New("page cache: can be emptied on Linux only") }
