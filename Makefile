# `make build` and `make test` each do their own set-up.
#   make build                       ind_int4 on the default recording, into out/ind_int4/
#   make build DESIGN=ind_tiny       another design
#   make build OPTIONS="--seed 3"    options of `python -m hw.build`
#   make test                        all tests;  make test PYTEST="-k flow"  some of them

DESIGN ?= ind_int4
OPTIONS ?=
PYTEST ?=

.PHONY: build test setup check clean
.DEFAULT_GOAL := build

build: setup
	.venv/bin/python -m hw.build $(DESIGN) $(OPTIONS)

test: setup
	.venv/bin/python -m pytest -n 2 $(PYTEST)

setup:
	@scripts/set_up.sh

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

clean:
	rm -rf out
