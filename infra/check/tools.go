package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
)

// tool is a program that a step needs and a fresh machine may lack.
type tool struct {
	names []string    // any of them will do
	hint  string      // how to come by it
	works func() bool // besides having one of the names; nil: that is enough
}

var (
	linter   = tool{[]string{os.Getenv("GOLANGCI_LINT")}, "make tools builds it", nil}
	compiler = tool{[]string{"cc", "gcc", "clang"}, "a C compiler, such as the package gcc", nil}
	node     = tool{[]string{"node"}, "Node.js", nil}
	npm      = tool{[]string{"npm"}, "npm, which comes with Node.js", nil}
	javac    = tool{[]string{"javac"}, "a JDK, such as the package default-jdk-headless", nil}
	maven    = tool{[]string{"mvn"}, "Maven, the package maven", nil}
	python   = tool{[]string{"python3"}, "Python with venv, the package python3-venv", nil}
	docker   = tool{nil, "a running Docker, or as root the package docker.io", dockerWorks}
	busybox  = tool{[]string{"busybox", "/bin/busybox"}, "a static busybox, the package busybox-static", nil}
	chromium = tool{[]string{"chromium", "chromium-browser", "google-chrome"}, "Chromium, such as the package chromium", nil}
)

// dockerWorks tells whether a Docker daemon answers here or can be started: that
// takes root.
func dockerWorks() bool {
	if c, err := net.Dial("unix", "/var/run/docker.sock"); err == nil {
		return c.Close() == nil
	}
	_, err := exec.LookPath("dockerd")
	return err == nil && os.Geteuid() == 0
}

// path gives the program; empty if there is none.
func (t tool) path() string {
	for _, name := range t.names {
		if name == "" {
			continue
		}
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

// missing tells which of the tools this machine lacks; empty: none.
func missing(tools []tool) string {
	var lacking []string
	for _, t := range tools {
		if t.names != nil && t.path() == "" || t.works != nil && !t.works() {
			lacking = append(lacking, t.hint)
		}
	}
	return strings.Join(lacking, "; ")
}
