# Every target with a line that begins with two hashes is listed by make help
# and described in README.md; a test keeps the two together.

GOLANGCI_VERSION = v2.15.0
GOVULNCHECK_VERSION = v1.1.4

# Built once a version, in minutes; infra/check looks for it here.
export GOLANGCI_LINT = $(CURDIR)/.cache/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help run build test lint fuzz browser play soak bench audit tools clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build and start the whole system on this machine; Ctrl-C stops it
	@exec bin/buzon

build: ## build the local system into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/buzon ./infra/local

test: ## prove everything that this machine can prove
	@go run ./infra/check

lint: tools ## look for mistakes with the linters of .golangci.yml
	@go run ./infra/check lint

fuzz: ## let every fuzz target run for a minute
	@go run ./infra/check -fuzz 1m fuzz

browser: ## walk the pages in a real browser
	@go run ./infra/check browser

play: ## play the main ways through the system from outside
	@go run ./infra/play

soak: ## the same with more conversations, crashes and outages
	@go run ./infra/play -soak

bench: ## measure; prints times and memory
	go test -run '^$$' -bench . -benchmem ./...

audit: ## look the modules up among known weaknesses (needs a remote database)
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

tools: $(GOLANGCI_LINT) ## build the linters, which make test then uses

clean: ## remove what was built; the data of make run stays
	rm -rf bin .cache

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
