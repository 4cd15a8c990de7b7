package docker

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// bundles are where systems keep the certificates that they trust.
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// Base is the tar of a base image for functions that bring their own runtime: what
// SAM needs to put its runtime emulator in (sh, mv, chmod), /tmp, /var/task, and
// certificates. All of its programs are one static busybox of this machine.
func Base() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, errors.New("base image: needs busybox: apt-get install busybox-static")
	}
	static, err := isStatic(path)
	if err != nil {
		return nil, fmt.Errorf("base image: %s: %w", path, err)
	}
	if !static {
		return nil, fmt.Errorf("base image: %s needs libraries: apt-get install busybox-static", path)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("base image: %w", err)
	}
	var certificates []byte
	for _, name := range bundles {
		if data, err := os.ReadFile(name); err == nil {
			certificates = data
			break
		}
	}
	return pack(program, certificates)
}

// isStatic tells whether a program runs without libraries: whether it names no
// interpreter that would load them.
func isStatic(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false, nil
		}
	}
	return true, nil
}

func pack(program, certificates []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var all error
	add := func(h tar.Header, content []byte) {
		h.Size = int64(len(content))
		all = errors.Join(all, w.WriteHeader(&h))
		_, err := w.Write(content)
		all = errors.Join(all, err)
	}
	for _, folder := range []string{"bin", "etc", "etc/ssl", "etc/ssl/certs", "var", "var/task", "var/runtime", "opt"} {
		add(tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, program)
	for _, name := range []string{"sh", "mv", "chmod", "ls", "cat"} {
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/:/bin/sh\n"))
	if len(certificates) > 0 {
		add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644}, certificates)
	}
	all = errors.Join(all, w.Close())
	if all != nil {
		return nil, fmt.Errorf("base image: %w", all)
	}
	return b.Bytes(), nil
}
