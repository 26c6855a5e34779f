# Muster. `make help` lists what there is to do.

SHELL      := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(shell command -v "$$(go env CC | cut -d' ' -f1)" >/dev/null 2>&1 && echo -race)

# How a function is built: as AWS runs it, the same bytes each time, without the RPC
# of old runtimes and without HTTP/2, which the runtime API and the services that we
# ask do not need.
GOARCH_LAMBDA ?= arm64
BUILD_FLAGS   := -tags lambda.norpc,nethttpomithttp2 -trimpath -buildvcs=false -ldflags "-s -w"
OUT           := .build

# What may not touch the environment, the clock or the process: everything but
# the mains and the AWS platform.
PURE := $$(go list ./internal/... | grep -vE '/internal/(aws|cmd|emulator)|test$$')

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: run
run: ## Serve the whole API on 127.0.0.1:3000, with a first sync of sample data
	go run ./internal/cmd/muster serve --demo

.PHONY: test
test: lint vulncheck ## Run every check and every test
	go test $(RACE) -timeout 60m ./...

# With CI=true what is missing is a failure, and no test is left out.
.PHONY: sam-test
sam-test: ## Hold the conversations with the functions in containers, behind the SAM CLI's gateway
	CI=true go test -run '^TestSAM$$' -count=1 -timeout 30m -v ./internal/e2e

.PHONY: lint
lint: ## Check formatting, vet, static analysis and the project's own rules
	@test -z "$$(gofmt -l functions internal)" || { echo "gofmt would change:"; gofmt -l functions internal; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool sloglint -attr-only -ctx-only=all -test=false ./...
	go tool go-errorlint -errorf -asserts=false -test=false ./...
	go tool forbidigo -set_exit_status -tests=false '^os\.(Exit|Getenv|LookupEnv|Environ)$$' '^time\.(Now|Since|Until)$$' -- $(PURE)

# The database of vulnerabilities is asked over the net. Where it cannot be, that is
# said and is no failure; a vulnerability that we call is (govulncheck ends with 3).
.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what we call, if their database is reached
	@status=0; said=$$(go tool govulncheck ./... 2>&1) || status=$$?; \
	if [ $$status = 1 ] && grep -q '^govulncheck: fetching vulnerabilities' <<<"$$said"; then echo "not checked: $$said"; exit 0; fi; \
	echo "$$said"; exit $$status

.PHONY: licenses
licenses: ## List the licence of every module that is linked; fail on one that may not be shipped
	go test ./functions -run '^TestLicenses$$' -count=1 -v

.PHONY: reproducible
reproducible: ## Build functions here and from a copy elsewhere, and compare the bytes
	go test ./functions -run '^TestReproducible$$' -count=1 -v

.PHONY: fuzz
fuzz: ## Fuzz the reader of uploaded files for 10 minutes, encoding/json as its oracle
	go test ./internal/rosterfile -run '^$$' -fuzz '^FuzzRead$$' -fuzztime 10m

.PHONY: load
load: ## Let a thousand clients call one server for a minute: no 5xx, limits exact, memory flat
	go test ./internal/e2e -run '^TestLoad$$' -count=1 -v -load 1m

.PHONY: build
build: ## Build every function for AWS into .build/<function>/bootstrap
	@for f in functions/*/; do n=$$(basename "$$f"); mkdir -p "$(OUT)/$$n"; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_LAMBDA) go build $(BUILD_FLAGS) -o "$(OUT)/$$n/bootstrap" "./functions/$$n"; done
	@ls functions | wc -l | xargs printf '%s functions in $(OUT)\n'

.PHONY: bench
bench: ## Measure every budget beside its floor: syncs, calls, cold starts, sizes
	go run ./internal/cmd/muster bench

.PHONY: cost
cost: ## Count what syncs do and say what that costs on AWS
	go run ./internal/cmd/muster cost

.PHONY: clean
clean: ## Remove what was built, and the tools that tests installed
	rm -rf $(OUT) .cache
