# `make demo` and `make test` set up what they need; a second run finds it there.
.DELETE_ON_ERROR:
.PHONY: FORCE demo test test-slow test-cpp lint typecheck format sanitize bench install clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODULES := $(sort $(shell find src -name "*.py"))
NATIVE := CMakeLists.txt $(wildcard cpp/include/melspec/*.h cpp/src/*) bindings/module.cpp
CXX_FILES := $(wildcard cpp/include/melspec/*.h cpp/src/*.cpp cpp/src/*.h cpp/tests/*.cpp cpp/tests/*.h) \
             bindings/module.cpp

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/recommender demo

test: install test-cpp
	$(BIN)/python -m pytest -m 'not slow'

test-slow: install
	$(BIN)/python -m pytest -m slow

build/cpp/build.ninja: CMakeLists.txt | install
	$(BIN)/cmake -S . -B build/cpp -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	  -DMELSPEC_PYTHON=OFF -DMELSPEC_TESTS=ON -DMELSPEC_WERROR=ON >/dev/null

test-cpp: build/cpp/build.ninja
	$(BIN)/ninja -C build/cpp --quiet
	$(BIN)/ctest --test-dir build/cpp --output-on-failure

sanitize: | install
	$(BIN)/cmake -S . -B build/sanitize -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	  -DMELSPEC_PYTHON=OFF -DMELSPEC_TESTS=ON -DMELSPEC_WERROR=ON -DMELSPEC_SANITIZE=ON >/dev/null
	$(BIN)/ninja -C build/sanitize --quiet
	$(BIN)/ctest --test-dir build/sanitize --output-on-failure

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

bench: install
	$(BIN)/python benchmarks/bench_fft.py

clean:
	rm -rf build demo $(VENV)
