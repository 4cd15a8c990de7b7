// Package repo holds no code: its tests check the shape of the repository. Who
// may import whom, which words and calls stand where, that README.md and the
// Makefile name the same targets, and that every rule has its test.
package repo
