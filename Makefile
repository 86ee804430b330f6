# `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help man demo test torture torture-bugs faults endure attack month test-matrix build console console-check lint structure bench bench-scale bench-rules bench-profile bench-docs bench-go tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## start Laminar with a private PostgreSQL and a simulated fleet; DURATION=2m ends it by itself
	@scripts/demo.sh $(if $(DURATION),--duration $(DURATION))

test: ## set up what is missing and run all tests; PKG=./flownode/... for some of them
	@scripts/test.sh $(PKG)

torture: ## random histories for DURATION (default 5m), the first with SEED (default: drawn); SEEDS=100 for as many; HISTORY=file repeats one
	@LAMINAR_TORTURE_SEED=$(or $(SEED),$(shell date +%s)) LAMINAR_TORTURE_SEEDS=$(SEEDS) LAMINAR_TORTURE_HISTORY=$(if $(HISTORY),$(abspath $(HISTORY))) LAMINAR_TORTURE_DURATION=$(or $(DURATION),5m) \
		scripts/test.sh -v -timeout 0 -count=1 -run 'TestTorture$$' ./cmd/laminar/torture

torture-bugs: ## see that the torture finds the bugs of testdata/torture within a minute each; BUG=name for one
	@SEED=$(or $(SEED),1) scripts/torture-bugs.sh $(BUG)

faults: ## run the fault tests COUNT times in a row (default 1); RUN=regexp for some of them
	@RUN='$(RUN)' scripts/faults.sh $(or $(COUNT),1)

endure: ## run fault tests and attacks COUNT times in a row (default 1), and count what was lost or doubled
	@RUN='$(RUN)' scripts/faults.sh $(or $(COUNT),1) all

month: ## let a month of SERIES new series a day (default 1000000) pass, simulated in time, and see that nothing grows
	@scripts/month.sh $(SERIES)

attack: ## attack the built binary, whole, COUNT times in a row (default 1); RUN=regexp for some of the attacks
	@RUN='$(RUN)' scripts/attack.sh $(COUNT)

test-matrix: ## run the store's tests on PostgreSQL 14 to 18
	@scripts/test-matrix.sh

build: ## build bin/laminar
	@scripts/build.sh

console: ## build the console from console/ui into console/dist; needs node and npm
	@scripts/console.sh

console-check: ## see that console/dist is what console/ui is built into
	@scripts/console.sh check

man: build ## write man pages to bin/man/man1
	@mkdir -p bin/man/man1
	@bin/laminar man bin/man/man1

lint: ## formatting, vet, golangci-lint, shellcheck
	@scripts/lint.sh

structure: ## lines, methods and references back of each package; ARGS='-v ./flownode' names the references
	@scripts/structure.sh $(ARGS)

bench: ## measure Laminar beside its peers; ARGS='-only 1,3 -quick' goes to the harness
	@scripts/bench.sh $(ARGS)

bench-scale: ## measure how figures grow: series, flows, stored samples
	@scripts/bench.sh -scale $(ARGS)

bench-rules: ## measure what RULES=FILE,FILE cost over a simulated Kubernetes cluster, beside Prometheus
	@scripts/bench.sh -rules $(RULES) $(ARGS)

bench-profile: ## leave CPU, heap and mutex profiles of ingest and ticks in bench-results
	@scripts/bench.sh -profile $(ARGS)

bench-docs: ## write the results of bench and bench-scale into docs/benchmarks.md
	@scripts/bench.sh -docs

bench-go: ## run the Go benchmarks six times, for benchstat; BENCH=regexp for some of them
	@scripts/bench-go.sh $(BENCH)

tools: ## only set up what the tests need: PostgreSQL binaries, prometheus, vmagent, Chromium
	@scripts/setup-senders.sh
	@scripts/setup-postgres.sh
	@scripts/setup-chromium.sh

clean: ## remove what was built and fetched; data directories stay
	rm -rf bin .build .tools console/ui/node_modules
