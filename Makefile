# make demo   install what is missing, train four runs, print their table
# make test   install what is missing, run the tests but for the slow ones
# make test-all  all tests
# make storm  attack the framework for hours, print the table of docs/reliability.md
# make test-slurm  the launcher for Slurm, on a Slurm that it starts (as root; slurm-wlm and munge)
# make test-gpu  what needs CUDA
# make check  format, lint and types
# make docs   the documentation as a site in site/, with its links checked

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: docs demo test test-all test-kills storm test-slurm test-gpu check format install lock clean

install: $(READY)

# The environment is made anew only when the lock or the package's metadata changes.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; sys.exit(None if (3, 11, 4) <= v < (3, 14) else \
	  "error: Python 3.11.4 to 3.13 is needed, %s is %d.%d.%d; try make PYTHON=python3.12" % ((sys.executable,) + v))'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	$(RUN) -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10
	$(RUN) analysis/make_tables.py

test: $(READY)
	$(RUN) -m pytest -n auto -m "not slow"

# With the slow ones: clusters, several processes, whole experiments.
test-all: $(READY)
	$(RUN) -m pytest -n auto

# A multirun killed twenty times at random moments ends with the table of one that was not.
test-kills: $(READY)
	SIAMMAE_KILLS=20 $(RUN) -m pytest -n 0 -s tests/training/test_kills.py

# Frame numbers, kills, damaged and hostile inputs; hours on two cores. MINUTES stops each part.
storm: $(READY)
	$(RUN) -m tests.storm $(if $(MINUTES),--minutes $(MINUTES))

# One after the other: the cluster is this one machine.
test-slurm: $(READY)
	SIAMMAE_TEST_SLURM=1 $(RUN) -m pytest -n 0 tests/launching/launchers/slurm

# One after the other: they share the device.
test-gpu: $(READY)
	$(RUN) -m pytest -n 0 -m gpu

check: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# --strict: a broken link is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

format: $(READY)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Needs uv: one lock for Python 3.11.4 to 3.13 on Linux, macOS and Windows.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11.4 --extra dev --extra cluster \
	  --extra dashboard --extra docs --no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
