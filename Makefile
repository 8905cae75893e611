# Every target sets up what it needs; `make lab` and `make test` work on a fresh machine.
.PHONY: lab setup dev test components lint unit bench fuzz bpf schema docs man deb sbom release audit lock clean
ARGS ?=

lab: setup
	.venv/bin/roost lab $(ARGS)

setup:
	@tools/setup run

dev:
	@tools/setup dev

# Three for two cores: tests on real packets mostly wait.
test: dev lint components
	.venv/bin/python -m pytest -n 3 --dist worksteal $(ARGS)

# Kubernetes' own programs for tests and labs, built once into the user's cache; nothing competes for the cores.
components: dev
	.venv/bin/python -m roost.lab.components

lint: dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/vulture
	.venv/bin/hadolint Dockerfile

unit: dev
	.venv/bin/python -m pytest tests/unit $(ARGS)

bench: dev
	.venv/bin/python -m bench $(ARGS)

# Hostile input to every parser, for MINUTES in all: docs/explanation/trust.md.
MINUTES ?= 10
fuzz: dev
	.venv/bin/python -m fuzz --minutes $(MINUTES) $(addprefix --target ,$(TARGET)) $(ARGS)

# The programs in the kernel, after a change of answer.c; a test compares them with their source.
bpf: dev
	.venv/bin/python tools/build_bpf.py

# The JSON schemas, after a change of the configuration's keys or of the status; a test compares them.
schema: dev
	.venv/bin/python tools/build_schema.py

docs: dev
	.venv/bin/mkdocs build --strict

# Pages for man(1), from the commands themselves, into build/man.
man: dev
	.venv/bin/python tools/build_man.py build/man

# A package for this Debian, into build; needs dpkg-deb and Debian's own python3. lintian judges it where it is
# installed, and root also tries it.
deb: dev
	@tools/build_deb
	@if command -v lintian >/dev/null; then lintian --allow-root --fail-on warning "$$(ls -t build/roost_*.deb | head -n 1)"; fi
	@if [ "$$(id -u)" = 0 ]; then tools/try_deb "$$(ls -t build/roost_*.deb | head -n 1)"; fi

# What the wheel brings along: a bill of materials (CycloneDX) from the lock.
sbom: dev
	@mkdir -p build
	.venv/bin/python tools/build_sbom.py build/roost.cdx.json

# All that a release has, into build/release; .github/workflows/release.yml calls it.
release: dev
	@tools/build_release

# The locks against PyPI's advisories; needs the network.
audit:
	@tools/audit

# Renew the locks after a change of dependencies in pyproject.toml (needs uv).
lock:
	uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --extra build pyproject.toml -o requirements/run.lock
	uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --extra build --extra dev pyproject.toml -o requirements/dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build site
