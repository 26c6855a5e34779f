# Muster. `make help` lists what there is to do.

SHELL      := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(shell command -v "$$(go env CC | cut -d' ' -f1)" >/dev/null 2>&1 && echo -race)

# How a function is built: as AWS runs it, the same bytes each time.
GOARCH_LAMBDA ?= arm64
BUILD_FLAGS   := -tags lambda.norpc -trimpath -ldflags "-s -w"
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
test: lint ## Run every check and every test
	go test $(RACE) -timeout 20m ./...

.PHONY: lint
lint: ## Check formatting, vet, static analysis and the project's own rules
	@test -z "$$(gofmt -l functions internal)" || { echo "gofmt would change:"; gofmt -l functions internal; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool sloglint -attr-only -ctx-only=all -test=false ./...
	go tool go-errorlint -errorf -asserts=false -test=false ./...
	go tool forbidigo -set_exit_status -tests=false '^os\.(Exit|Getenv|LookupEnv|Environ)$$' '^time\.(Now|Since|Until)$$' -- $(PURE)

.PHONY: build
build: ## Build every function for AWS into .build/<function>/bootstrap
	@for f in functions/*/; do n=$$(basename "$$f"); mkdir -p "$(OUT)/$$n"; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_LAMBDA) go build $(BUILD_FLAGS) -o "$(OUT)/$$n/bootstrap" "./functions/$$n"; done
	@ls functions | wc -l | xargs printf '%s functions in $(OUT)\n'

.PHONY: bench
bench: ## Measure the sync at 100,000 and 1,000,000 users beside a decode-only floor, and each binary's size
	go run ./internal/cmd/muster bench

.PHONY: clean
clean: ## Remove what was built, and the tools that tests installed
	rm -rf $(OUT) .cache
