# One command for each thing one wants of a checkout. CMake builds; this only says what to build and
# sees to it that the Debian packages are there (deploy/apt), as root or through sudo.
#
# JOBS=N sets how much is done at once; ARGS="..." are further flags for `make run`,
# `make bench-pool`, `make bench-rpc` and `make bench-scrape`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build test verify fuzz bench bench-pool bench-rpc bench-attack bench-scrape format \
  format-check tidy image image-test deb deb-test clean
# The recipes of two targets would work in the same build folder.
.NOTPARALLEL:

JOBS ?= $(shell deploy/jobs.sh)
SOURCES = find pool proto server client tests -name '*.h' -print0 -o -name '*.cc' -print0

help: ## Show this list (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: build ## Build, then serve in the foreground with the example configuration
	@exec build/release/bin/objpoold --config deploy/objpoold.textproto $(ARGS)

build: ## Build objpoold and objpoolctl into build/release/bin
	deploy/apt/install.sh build
	cmake --preset release -DOBJPOOL_TESTS=OFF
	cmake --build --preset release --parallel $(JOBS)

test: ## Build and run the tests: release, then address and thread sanitizers
	tests/run.sh

verify: ## make test, and the long tests, and those of the container image
	tests/run.sh --long

fuzz: ## Run the fuzz targets, each for SECONDS=N (60), or those of ARGS="TARGET ..."
	tests/fuzz/run.sh --seconds $(or $(SECONDS),60) $(ARGS)

bench: build ## Measure a server of its own on this machine, call by call and in batches
	tests/bench/run.sh build/release/bin

bench-pool: ## Measure the pool against its peers, in one run; ARGS="--rounds N --filter X ..."
	deploy/apt/install.sh build bench
	cmake --preset release -DOBJPOOL_TESTS=OFF -DOBJPOOL_BENCH=ON
	cmake --build --preset release --parallel $(JOBS) --target pool_bench
	mkdir -p build/bench
	build/release/bin/pool_bench --json build/bench/pool.json $(ARGS)

bench-rpc: ## Measure the server against its peers, in one run; ARGS="--rounds N --seconds S ..."
	deploy/apt/install.sh build bench-rpc
	cmake --preset release -DOBJPOOL_TESTS=OFF -DOBJPOOL_BENCH_RPC=ON
	cmake --build --preset release --parallel $(JOBS) --target rpc_bench
	mkdir -p build/bench
	build/release/bin/rpc_bench --json build/bench/rpc.json $(ARGS)

bench-attack: build ## Measure what each class of attacks costs, by engine; ARGS="SECONDS [CLASS...]"
	OBJPOOL_BIN_DIR=build/release/bin OBJPOOL_PYTHON_DIR=build/release/python \
		PYTHONPATH=tests/support python3 -B tests/attack/bench_attack.py $(ARGS)

bench-scrape: ## Measure what being scraped costs a server, with goals; ARGS="--rounds N ..."
	deploy/apt/install.sh build test
	cmake --preset release -DOBJPOOL_TESTS=OFF -DOBJPOOL_BENCH_SCRAPE=ON
	cmake --build --preset release --parallel $(JOBS)
	OBJPOOL_BIN_DIR=build/release/bin /usr/bin/python3 -B tests/bench/scrape/scrape_bench.py $(ARGS)

format: ## Lay out the C++ sources with clang-format
	deploy/apt/install.sh test
	$(SOURCES) | xargs -0 clang-format -i

format-check: ## Fail where make format would change something
	deploy/apt/install.sh test
	$(SOURCES) | xargs -0 clang-format --dry-run -Werror

tidy: ## Check style, room borders and what clang-tidy knows
	deploy/apt/install.sh build test tools bench
	cmake --preset dev -DOBJPOOL_TESTS=ON -DOBJPOOL_BENCH=ON
	cmake --build --preset dev --parallel $(JOBS)
	find pool proto server client tests -name '*.cc' -print0 | xargs -0 -n 1 -P $(JOBS) \
	  clang-tidy -p build/dev --quiet --warnings-as-errors='*'
	/usr/bin/python3 tests/tidy/tidy_test.py

image: ## Build the container image localhost/objpool
	deploy/image.sh

image-test: ## Build the image without a registry and test it as a container; needs root
	tests/deploy/container_test.sh

deb: ## Build the Debian package build/objpool_VERSION_ARCHITECTURE.deb
	deploy/apt/install.sh build package
	cmake --preset release -DOBJPOOL_TESTS=OFF -DOBJPOOL_PACKAGE=ON
	cmake --build --preset release --parallel $(JOBS)
	rm -f build/objpool_*.deb
	cpack --config build/release/CPackConfig.cmake -B build

deb-test: deb ## Install the package into a bare Debian, use it, purge it; needs root
	deploy/apt/install.sh tools
	tests/deploy/deb_test.sh build/objpool_*.deb

clean: ## Remove everything that was built
	rm -rf build
