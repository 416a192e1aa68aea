# Builds, runs and tests laformer. `make help` lists the targets.
#
# libtorch comes from the first of these that exists: LIBTORCH; the active python3, if it has the torch version of
# requirements.txt; .venv, which is created on first use. All targets use the same one, so nothing is compiled twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TORCH := $(shell sed -n 's/^torch==//p' requirements.txt)
HAS_TORCH := $(shell python3 -c 'from importlib.metadata import version; print(version("torch").split("+")[0])' 2>/dev/null)
ifeq ($(HAS_TORCH),$(TORCH))
  PYTHON := python3
else
  PYTHON := .venv/bin/python
  PYTHON_READY := .venv/.ready
  export PATH := $(CURDIR)/.venv/bin:$(PATH)
endif
ifndef LIBTORCH
  export LIBTORCH_USE_PYTORCH := 1
  BUILD_READY := $(PYTHON_READY)
endif

# Evaluations and model cards record this commit.
export LAFORMER_COMMIT := $(shell git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)

LAFORMER := $(abspath $(or $(CARGO_TARGET_DIR),target))/release/laformer
DATA := data/eigenvalues-3x3.csv
RECIPE := recipes/eigenvalues-3x3.toml
RUN := checkpoints/first-run
# Tests run in parallel, at most four and one per core. Each uses one thread, so that none waits for another.
PYTEST = LAFORMER_BIN=$(LAFORMER) $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist worksteal
test test-portable: export OMP_NUM_THREADS ?= 1

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: tools $(BUILD_READY) ## Compile target/release/laformer
	cargo build --release --locked

.PHONY: run
run: build $(PYTHON_READY) ## Generate and verify data, train eigenvalues of 3x3 matrices, evaluate, compare with numpy (minutes)
	@echo "== 1/5 Generate 100,000 solved examples"
	$(LAFORMER) generate eigenvalues --dim 3 --count 100000 --seed 1 --output $(DATA)
	@echo "== 2/5 Verify the mathematics of every row"
	$(LAFORMER) verify $(DATA)
	@echo "== 3/5 Train on examples made on the fly"
	$(LAFORMER) train $(RECIPE) --output $(RUN) --overwrite
	@echo "== 4/5 Evaluate on 10,000 fresh matrices"
	$(LAFORMER) eval $(RUN) --count 10000
	@echo "== 5/5 Load the module in Python and compare it with numpy"
	$(PYTHON) notebooks/compare.py $(RUN)/model.pt

.PHONY: test
test: build test-tools ## Run all Rust and Python tests
	cargo test --release --locked
	cargo test --release --locked --no-default-features --lib
	$(PYTEST) tests/python

# Each line imitates a machine; `make test` covers the native one with one thread. Sensitive tests compare numbers of
# two processes, kernels or batch sizes. Kernels differ by architecture, not by problem, so three problems go from
# recipe to export.
MACHINES := "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OMP_NUM_THREADS=1" \
	"ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2"
PROBLEMS := eigenvalues matrix_product svd
SENSITIVE := tests/python/test_{architectures,tasks,gradients,reference,package}.py -k "command_line or gradient or sizes or of_the_module"

.PHONY: test-portable
test-portable: build test-tools ## Run the sensitive tests with older processors' instructions, and with two threads
	for machine in $(MACHINES); do \
		echo "== $$machine"; \
		env $$machine cargo test --release --locked --lib -- model:: inference:: training::; \
		env $$machine cargo test --release --locked --test cli -- bits $(PROBLEMS:%=every_problem_goes_from_recipe_to_export::%); \
		env $$machine $(PYTEST) $(SENSITIVE); \
	done

.PHONY: test-tools
test-tools: $(PYTHON_READY)
	@$(PYTHON) -c 'import numpy, pytest, xdist, matplotlib, nbclient, ipykernel' || \
		{ echo "a package of requirements.txt is missing: $(PYTHON) -m pip install -r requirements.txt" >&2; exit 1; }

.PHONY: notebooks
notebooks: test-tools ## Run the notebooks and save their outputs in them (minutes)
	LAFORMER_KEEP_OUTPUTS=1 $(PYTHON) -m pytest tests/python/test_notebooks.py

.PHONY: zoo-check
zoo-check: build $(PYTHON_READY) ## Evaluate all shipped checkpoints again, on 10,000 matrices each
	LAFORMER_BIN=$(LAFORMER) LAFORMER_CHECKPOINT_TESTS=10000 $(PYTHON) -m pytest tests/python/test_checkpoints.py

.PHONY: lint
lint: tools $(BUILD_READY) ## Check formatting, clippy and the documentation
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo clippy --release --locked --no-default-features --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps

.PHONY: bench
bench: build $(PYTHON_READY) ## Compare speed with the references and print ratios; LAWT=path adds LAWT, BENCH="step --threads 2" selects
	LAFORMER_BIN=$(LAFORMER) $(PYTHON) benches/compare.py $(BENCH)

.PHONY: cuda
cuda: build $(PYTHON_READY) ## On a machine with a CUDA device: check, measure, and train models that read matrices unchanged (25 minutes)
	LAFORMER_BIN=$(LAFORMER) benches/cuda.sh checkpoints/cuda

# The modules without libtorch, by their own tests. SHARD=0/4 takes a quarter.
SHARD ?= 0/1

.PHONY: mutants
mutants: ## Change the code of mathematics and encodings, and see whether a test fails, SHARD=0/4 (cargo install cargo-mutants; hours)
	CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo mutants --no-default-features --shard $(SHARD) --sharding round-robin --timeout 60 \
		--file 'src/problem/**' --file 'src/encoding/**' --file 'src/matrix/**' --cargo-test-arg=--lib

# The readers of untrusted input; see tests/inputs/targets.rs. An input that fails is written to fuzz/artifacts.
READERS := csv recipe matrix tokens safetensors run
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz: $(BUILD_READY) ## Fuzz every reader of files, starting from the corpus, SECONDS_EACH=60 (cargo install cargo-fuzz)
	for reader in $(READERS); do \
		mkdir -p fuzz/corpus/$$reader; \
		RUSTC_BOOTSTRAP=1 LD_LIBRARY_PATH=$$($(PYTHON) -c 'import torch, os; print(os.path.join(torch.__path__[0], "lib"))') \
			cargo fuzz run --sanitizer none $$reader fuzz/corpus/$$reader tests/inputs/corpus/$$reader -- \
			-max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 -timeout=10 -max_len=65536; \
	done

.PHONY: audit
audit: ## Check dependencies for known vulnerabilities, licenses and sources (cargo install cargo-deny)
	cargo deny check

.PHONY: clean-data
clean-data: ## Delete the generated files in data/
	rm -f data/*.csv data/*.partial

.PHONY: tools
tools:
	@command -v cargo > /dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v "$${CXX:-c++}" > /dev/null || { echo "$${CXX:-c++} is missing: install a C++ compiler, e.g. the package g++, or set CXX" >&2; exit 1; }
	@[ -e "$(or $(PYTHON_READY),Makefile)" ] || echo "== First use: pip downloads torch with its CUDA libraries into .venv: 2.7 GB (4 minutes at 100 Mbit/s), 5 GB on disk"
	@[ -e $(LAFORMER) ] || echo "== First build: cargo downloads and compiles about 200 crates and the bindings of libtorch: 4 to 10 minutes on two cores"

.venv/.ready: requirements.lock | tools
	@command -v python3 > /dev/null || { echo "python3 is missing: install Python 3.11 or newer" >&2; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$(python3 --version) is too old: Python 3.11 or newer is needed; put it first in PATH as python3" >&2; exit 1; }
	python3 -m venv .venv || { echo "Python cannot create environments: install its venv module (python3-venv), or activate an environment that has torch $(TORCH)" >&2; exit 1; }
	.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@
