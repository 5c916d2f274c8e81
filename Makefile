# Every target does its own set-up: git, make and Python >= 3.11 are enough.
PYTHON_FILES = agent_bridge tests benchmarks alembic scripts examples docs
# Each process that a test starts would compile the package again.
export PYTHONDONTWRITEBYTECODE =
BIN = .venv/bin
KILLS = 200
CUTS = 100
MINUTES = 10
LETTA_TESTS = tests/contract/test_real_letta.py tests/integration/test_letta.py tests/integration/test_letta_app_server.py \
  tests/integration/test_tool_approvals.py tests/crash/test_letta_cuts.py tests/contract/test_real_app_server.py \
  tests/integration/test_letta_commands.py tests/integration/test_switch.py

.DEFAULT_GOAL := help
.PHONY: help demo unit test test-long test-letta-newest test-letta-v1 test-pydantic-ai test-browser lint dist site release-database all format lock audit examples migration crash crash-letta soak bench clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

# A set of packages, see scripts/packages.py. The script writes the stamp.
.venv/.%: locks/%.txt locks/tools.txt pyproject.toml scripts/venv scripts/packages.py
	@scripts/venv install $*

demo: .venv/.demo  ## run everything on this machine (ARGS=--once: one message and its answer, then end)
	@$(BIN)/agent-bridge demo $(ARGS)

unit: .venv/.unit  ## the tests without servers, in seconds (ARGS are pytest's)
	@$(BIN)/python -m pytest -n 2 tests/unit $(ARGS)

test: .venv/.dev  ## all tests except the long ones, in four processes (ARGS are pytest's)
	@$(BIN)/python -m pytest -n 4 $(ARGS)

test-long: .venv/.dev  ## the long tests, and the unit tests with more random examples (ARGS are pytest's)
	@$(BIN)/python -m pytest -n 2 --hypothesis-profile=long tests/unit
	@$(BIN)/python -m pytest -m long $(ARGS)

# The newest version is not pinned, so it lives in an environment of its own.
test-letta-newest: .venv/.dev  ## the tests with Letta's App Server, with its newest version (ARGS are pytest's)
	@$(BIN)/python -m venv --clear .venv-letta-newest
	@.venv-letta-newest/bin/python -m pip install -qq --disable-pip-version-check letta
	@.venv-letta-newest/bin/letta --version
	@TEST_LETTA=$(CURDIR)/.venv-letta-newest/bin/letta $(BIN)/python -m pytest -n 2 -m "not letta_v1" $(LETTA_TESTS) $(ARGS)

# The retired server has an environment apart from that of the tests.
.venv-letta-v1/.letta-v1: locks/letta-v1.txt locks/tools.txt scripts/venv scripts/packages.py
	@scripts/venv install letta-v1

test-letta-v1: .venv/.dev .venv-letta-v1/.letta-v1  ## the tests with Letta's retired REST server, which it installs (1.2 GB, ARGS are pytest's)
	@$(BIN)/python -m pytest -m letta_v1 tests/contract/test_real_letta_v1*.py $(ARGS)

# A framework for agents, which has an environment apart from that of the tests.
.venv-pydantic-ai/.pydantic-ai: locks/pydantic-ai.txt locks/tools.txt scripts/venv scripts/packages.py
	@scripts/venv install pydantic-ai

test-pydantic-ai: .venv/.dev .venv-pydantic-ai/.pydantic-ai  ## the tests with a framework for agents, which it installs (ARGS are pytest's)
	@$(BIN)/python -m pytest -m pydantic_ai tests/integration/test_pydantic_ai.py $(ARGS)

test-browser: .venv/.dev  ## the tests of the admin page in a real browser, Debian's chromium (ARGS are pytest's)
	@command -v "$${CHROMIUM:-chromium}" > /dev/null || { \
	  echo "There is no chromium: install it (apt-get install chromium), or name a browser: CHROMIUM=/path/to/chrome" >&2; exit 1; }
	@$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

lint: .venv/.dev  ## check style, types, layers, generated files, links, licences and the changelog
	@$(BIN)/ruff format --quiet --check $(PYTHON_FILES)
	@$(BIN)/ruff check --quiet $(PYTHON_FILES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/examples.py --check
	@$(BIN)/python scripts/reading_list.py --check
	@$(BIN)/python scripts/api_docs.py --check
	@$(BIN)/python scripts/mcp_docs.py --check
	@$(BIN)/python scripts/metrics_docs.py --check
	@$(BIN)/python scripts/licences.py --check
	@$(BIN)/python scripts/reference_docs.py --check
	@$(BIN)/python scripts/links.py
	@$(BIN)/python scripts/changelog.py

dist: .venv/.tools  ## build the wheel and the source distribution of the last commit, with the same bytes everywhere
	@$(BIN)/python scripts/dist.py $(ARGS)

all: lint test test-long  ## all checks before a release

lock: .venv/.tools  ## write locks/ from pyproject.toml (ARGS=--upgrade: with the newest versions)
	@scripts/venv lock $(ARGS)

audit: .venv/.tools  ## look for known vulnerabilities of the packages in locks/ (ARGS are pip-audit's)
	@scripts/venv audit $(ARGS)

format: .venv/.dev  ## format the code
	@$(BIN)/ruff check --quiet --fix-only $(PYTHON_FILES)
	@$(BIN)/ruff format --quiet $(PYTHON_FILES)

examples: .venv/.dev  ## write the generated files: examples, reference pages, line counts of the reading list
	@$(BIN)/python scripts/examples.py
	@$(BIN)/python scripts/reading_list.py
	@$(BIN)/python scripts/api_docs.py
	@$(BIN)/python scripts/mcp_docs.py
	@$(BIN)/python scripts/metrics_docs.py
	@$(BIN)/python scripts/licences.py
	@$(BIN)/python scripts/reference_docs.py

migration: .venv/.dev  ## write a migration for the changes of store/postgres/schema/ (M="its description")
	@$(BIN)/python scripts/migration.py "$(M)"

# The generator of the site has an environment apart from that of the tests.
.venv-site/.site: locks/site.txt locks/tools.txt scripts/venv scripts/packages.py
	@scripts/venv install site

site: .venv-site/.site  ## build the documentation as a web site into build/site, strictly
	@.venv-site/bin/python scripts/build_site.py

release-database: .venv/.dev  ## write a database of the present schema, to test later upgrades with
	@PYTHONPATH=.:tests $(BIN)/python scripts/release_database.py

crash: .venv/.dev  ## let faults happen at random and check the answers (KILLS=200, ARGS="--processes 2 --database external")
	@PYTHONPATH=tests $(BIN)/python -m crash --kills $(KILLS) $(ARGS)

crash-letta: .venv/.dev  ## cut connections to a real App Server of Letta at random (CUTS=100, ARGS="--seed 5")
	@PYTHONPATH=tests $(BIN)/python -m crash.letta --cuts $(CUTS) $(ARGS)

soak: .venv/.dev  ## measure the growth of a bridge, and write docs/soak.md (MINUTES=10)
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

bench: .venv/.dev  ## measure, and write docs/benchmarks.md and benchmarks/results.json (ARGS="restart takeover": only these)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove the files of all targets
	@rm -rf .venv .venv-letta-newest .venv-letta-v1 .venv-pydantic-ai .venv-site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
