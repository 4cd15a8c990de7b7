package main

import (
	"os"
	"os/exec"
	"strings"
)

// tool is a program that a step needs and a fresh machine may lack.
type tool struct {
	names []string // any of them will do
	hint  string   // how to come by it
}

var (
	linter   = tool{[]string{os.Getenv("GOLANGCI_LINT")}, "make tools builds it"}
	compiler = tool{[]string{"cc", "gcc", "clang"}, "a C compiler, such as the package gcc"}
	node     = tool{[]string{"node"}, "Node.js"}
	npm      = tool{[]string{"npm"}, "npm, which comes with Node.js"}
	javac    = tool{[]string{"javac"}, "a JDK, such as the package default-jdk-headless"}
	maven    = tool{[]string{"mvn"}, "Maven, the package maven"}
	python   = tool{[]string{"python3"}, "Python with venv, the package python3-venv"}
	docker   = tool{[]string{"docker"}, "Docker, such as the package docker.io"}
	busybox  = tool{[]string{"busybox", "/bin/busybox"}, "a static busybox, the package busybox-static"}
	chromium = tool{[]string{"chromium", "chromium-browser", "google-chrome"}, "Chromium, such as the package chromium"}
)

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
		if t.path() == "" {
			lacking = append(lacking, t.hint)
		}
	}
	return strings.Join(lacking, "; ")
}
