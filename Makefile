# Every target with a line that begins with two hashes is listed by make help
# and described in README.md; a test keeps the two together.

GOLANGCI_VERSION = v2.15.0
GOVULNCHECK_VERSION = v1.1.4

# Built once a version, in minutes; infra/check looks for it here.
export GOLANGCI_LINT = $(CURDIR)/.cache/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help run build test lint fuzz browser play soak bench audit tools clean \
	run-engines sam-local sam-build engines sam doctor dlq tenant lint-template logs outputs deploy delete

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build and start the whole system on this machine; Ctrl-C stops it
	@exec bin/buzon

# Built and not go run, which keeps an interrupt to itself.
run-engines: build ## the same over the APIs of AWS, on engines that it installs and starts
	@go build -trimpath -o bin/engines ./infra/engines
	@exec bin/engines bin/buzon

sam-local: ## every function in its own container, with the demo; Ctrl-C stops it
	@go build -trimpath -o bin/containers ./infra/containers
	@bin/containers install
	@exec bin/containers

build: ## build the local system into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/buzon ./infra/local

test: ## prove everything that this machine can prove
	@go run ./infra/check

# The one place that says what functions are built for; infra/ops deploys with the same.
export ARCH ?= arm64
GOARCH_OF_FUNCTIONS = $(or $(if $(filter 1,$(words $(ARCH))),$(patsubst x86_64,amd64,$(filter arm64 x86_64,$(ARCH)))),$(error ARCH=$(ARCH): arm64 or x86_64))

sam-build: ## build the functions for deployment; ARCH=x86_64 for that processor
	@: $(GOARCH_OF_FUNCTIONS)
	@command -v $(SAM) >/dev/null || { echo "sam: not found; make sam installs it" >&2; exit 1; }
	$(SAM) build --build-in-source --config-file infra/samconfig.toml --parameter-overrides Architecture=$(ARCH)

# sam build calls this with ARTIFACTS_DIR for every function of template.yaml.
build-%Function:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_OF_FUNCTIONS) go build -trimpath -tags lambda.norpc -ldflags="-s -w -buildid=" \
		-o $(ARTIFACTS_DIR)/bootstrap ./functions/$(shell printf '%s' '$*' | tr 'A-Z' 'a-z')

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

bench: ## measure speed, weight and cost beside a floor; says which goals are reached
	@go run ./infra/bench $(if $(ONLY),-only $(ONLY)) $(if $(JSON),-json $(JSON))

audit: ## look the modules up among known weaknesses (needs a remote database)
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

# SAM CLI is the one under .cache/ before any other; it sends no usage data.
export SAM_CLI_TELEMETRY ?= 0
SAM = $(firstword $(wildcard .cache/sam/bin/sam) sam)

# Variables of make's command line (NAME, ID, STACK, AWS_REGION …) are in the environment of what make runs.

doctor: ## look at everything that a deployment needs; ARGS=--local: at this machine only
	@go run ./infra/ops doctor $(ARGS)

dlq: ## list dead letters; ARGS='show inbound' or ARGS='redrive inbound --yes'
	@go run ./infra/ops dlq $(ARGS)

tenant: ## make a company and print its admin's token: NAME='Acme', on AWS with STACK=buzon
	@go run ./infra/ops tenant --name "$$NAME" --id "$$ID" $(ARGS)

lint-template: ## look requests for templates over: FILE=request.json ARGS='-provider meta -lang es'
	@go run ./infra/ops lint-template $(FILE) $(ARGS)

logs: ## follow the functions' logs; ARGS='--function webhook'
	@go run ./infra/ops logs $(ARGS)

outputs: ## show the addresses and names of the deployment; ARGS=--json
	@go run ./infra/ops outputs $(ARGS)

deploy: ## build and deploy to AWS; asks, and Enter all the way works; STACK=…, ARCH=x86_64
	@go run ./infra/ops deploy $(ARGS)

delete: ## take the deployment away; table, bucket and keys stay
	@go run ./infra/ops delete $(ARGS)

tools: $(GOLANGCI_LINT) ## build the linters, which make test then uses

engines: ## install the engines that stand in for AWS
	@go run ./infra/engines install

sam: ## install SAM CLI and the engines
	@go run ./infra/containers install

clean: ## remove what was built; the data of make run stays
	rm -rf bin .cache .aws-sam

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
