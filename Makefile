# `make demo` and `make test` set up what they need; a second run finds it there.
.DELETE_ON_ERROR:
.PHONY: FORCE demo test test-slow test-cpp test-arm lint typecheck format sanitize valgrind \
        fuzz fuzz-corpus bench bench-scale install clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODULES := $(sort $(shell find src -name "*.py"))
NATIVE := CMakeLists.txt $(wildcard cpp/include/melspec/*.h cpp/src/* bindings/*)
CXX_FILES := $(wildcard cpp/include/melspec/*.h $(foreach d,src tests fuzz,cpp/$d/*.cpp cpp/$d/*.h)) \
             $(wildcard bindings/*.cpp bindings/*.h)

install: $(VENV)/.installed

$(VENV)/.venv:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	touch $@

# Changes only when a module is added, moved or removed.
$(VENV)/.modules: FORCE | $(VENV)/.venv
	@printf '%s\n' $(MODULES) | cmp -s - $@ || printf '%s\n' $(MODULES) > $@

# Editable: Python changes count at once, changes of the native code rebuild it.
$(VENV)/.installed: pyproject.toml constraints.txt $(NATIVE) $(VENV)/.modules
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,lab,ray,web]'
	touch $@

demo: install
	$(BIN)/recommender demo

test: install test-cpp
	$(BIN)/python -m pytest -m 'not slow' -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: install
	$(BIN)/python -m pytest -m slow

# The core without Python in build/<name>, built with further options and tested.
configure = $(BIN)/cmake -S . -B build/$(1) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
            -DMELSPEC_PYTHON=OFF -DMELSPEC_TESTS=ON -DMELSPEC_WERROR=ON $(2) >/dev/null
build = $(BIN)/ninja -C build/$(1) --quiet
ctest = $(BIN)/ctest --test-dir build/$(1) --output-on-failure
need = command -v $(1) >/dev/null || { echo "$(1) is missing: install $(2)" >&2; exit 1; }

build/cpp/build.ninja: CMakeLists.txt | install
	$(call configure,cpp)

test-cpp: build/cpp/build.ninja
	$(call build,cpp)
	$(call ctest,cpp)

# Memory and undefined behaviour, in the tests and the fuzzing corpora; then data races.
sanitize: | install
	$(call configure,asan,-DMELSPEC_SANITIZE=address)
	$(call build,asan)
	$(call ctest,asan)
	$(call configure,tsan,-DMELSPEC_SANITIZE=thread)
	$(call build,tsan) test_threads test_timbre
	$(call ctest,tsan) -R 'threads|timbre'

valgrind: | install
	@$(call need,valgrind,valgrind)
	$(call configure,valgrind,-DCMAKE_CXX_FLAGS=-g1 \
	  -DCMAKE_TEST_LAUNCHER="valgrind;--quiet;--error-exitcode=1;--leak-check=full")
	$(call build,valgrind)
	$(call ctest,valgrind)

# For 64-bit Arm, in an emulator.
test-arm: | install
	@$(call need,aarch64-linux-gnu-g++,g++-aarch64-linux-gnu)
	@$(call need,qemu-aarch64,qemu-user)
	$(call configure,arm,-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
	  -DCMAKE_TEST_LAUNCHER="qemu-aarch64;-L;/usr/aarch64-linux-gnu")
	$(call build,arm)
	$(call ctest,arm)

FUZZ_SECONDS ?= 60
HARNESSES := $(patsubst cpp/fuzz/fuzz_%.cpp,%,$(wildcard cpp/fuzz/fuzz_*.cpp))

# Every harness for FUZZ_SECONDS; what is new stays in build/fuzz/found.
fuzz: $(HARNESSES:%=fuzz-%)

build/fuzz/build.ninja: CMakeLists.txt | install
	@$(call need,clang++,clang and libclang-rt-dev)
	$(call configure,fuzz,-DCMAKE_CXX_COMPILER=clang++ -DMELSPEC_SANITIZE=address -DMELSPEC_FUZZ=ON)

fuzz-%: build/fuzz/build.ninja
	$(call build,fuzz) fuzz_$*
	mkdir -p build/fuzz/found/$*
	build/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -max_len=1024 -verbosity=0 \
	  -print_final_stats=1 build/fuzz/found/$* cpp/fuzz/corpus/$*

# What coverage keeps of the seeds, of the corpora and of what `make fuzz` found.
fuzz-corpus: $(HARNESSES:%=corpus-%)

corpus-%: build/fuzz/build.ninja
	$(call build,fuzz) fuzz_$*
	$(BIN)/python scripts/make_fuzz_corpus.py build/fuzz/seeds
	rm -rf build/fuzz/merged/$*
	mkdir -p build/fuzz/merged/$* build/fuzz/found/$* cpp/fuzz/corpus/$*
	build/fuzz/fuzz_$* -merge=1 -verbosity=0 build/fuzz/merged/$* build/fuzz/seeds/$* cpp/fuzz/corpus/$* \
	  build/fuzz/found/$*
	rm -r cpp/fuzz/corpus/$*
	cp -r build/fuzz/merged/$* cpp/fuzz/corpus/$*

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)

typecheck: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)

# Beside every peer that can be installed here; one that cannot is reported as absent. Music:
# `make bench OPTIONS="--audio ~/Music"`, or RECOMMENDER_TEST_AUDIO.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench_peers.py $(OPTIONS)

# What large libraries cost; real music for some of it as above. Takes an hour and 15 GB.
bench-scale: install
	$(BIN)/python benchmarks/bench_rescan.py --fragments 30
	$(BIN)/python benchmarks/scale.py build/scale --tracks 100000 1000000
	$(BIN)/python benchmarks/bench_distributed.py $(OPTIONS)

$(VENV)/.bench: $(VENV)/.installed
	-$(BIN)/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	    print(*project["optional-dependencies"]["bench"], sep="\n")' \
	  | xargs -n 1 $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
	touch $@

clean:
	rm -rf build demo $(VENV)
