# Paths are relative throughout, so that the project may live in a folder whose name holds a space.
# Programs run as `python -m …`: a script's first line cannot hold a long path.

PY := .venv/bin/python
LOCK := requirements-dev.txt
STAMP := .venv/.installed-$(shell cksum < $(LOCK) | tr ' ' '-')
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/django.po))
READY := $(STAMP) $(CATALOGUES)
WITH_PRODUCTION_SETTINGS := $(PY) -m tests.production
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules are kept even where images and CI say otherwise: Python starts many times here.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo reset-demo test test-full test-faults check messages lock bench-ingest bench-workbook \
	bench-rotation bench-comparison bench-outbox bench-dispatch bench-web bench-lookup bench-reply bench-register

help:
	@echo 'make demo         everything set up and running in front of you (PORT=… MEMBERS=…)'
	@echo 'make reset-demo   forget what the demonstration kept'
	@echo 'make test         every test, the browser included'
	@echo 'make test-full    the full-size tests'
	@echo 'make test-faults  servers killed, stopped and failing under workers that send (N=…)'
	@echo 'make bench-ingest  how fast lists are read (ROWS=…)'
	@echo 'make bench-workbook  how fast workbooks are read, against CSV (ROWS=…)'
	@echo 'make bench-rotation  how fast keys are rotated and lists purged (ROWS=…)'
	@echo 'make bench-comparison  how fast lists are compared and published (ROWS=…)'
	@echo 'make bench-outbox  how fast the messages of a campaign are made (N=…)'
	@echo 'make bench-dispatch  how fast messages are sent (N=…)'
	@echo 'make bench-web  how many pages and questions are answered a second (needs wrk)'
	@echo 'make bench-lookup  how fast somebody is found as lists grow (ROWS=…)'
	@echo 'make bench-reply  how long questions wait while a campaign is sent (RATE=…, SECONDS=…)'
	@echo 'make bench-register  how long the register takes as notifications grow (N=…)'
	@echo 'make check        formatting, types, imports, migrations, settings, translations'
	@echo 'make messages     bring the English catalogue in step with the source'
	@echo 'make lock         lock the dependencies of pyproject.toml (needs uv)'

demo: $(READY)
	@$(PY) -m breachportal.embedded $(if $(PORT),--port $(PORT)) $(if $(MEMBERS),--members $(MEMBERS))

reset-demo: $(STAMP)
	@$(PY) -m breachportal.embedded reset

test: $(READY)
	@$(PY) -m tests.chromium
	$(PY) -m pytest -n $(PROCESSES) -m 'not full' --durations=25 --durations-min=5 $(ARGS)

# Two cores: what waits for servers that were killed leaves its core to a third process.
PROCESSES := 3

test-full: $(READY)
	@$(PY) -m tests.chromium
	$(PY) -m pytest -m full $(ARGS)

# The table goes to docs/benchmarks.md.
test-faults: $(READY)
	@rm -f $(FAULT_TABLE)
	FAULT_MESSAGES=$(or $(N),50000) FAULT_TABLE=$(FAULT_TABLE) \
		$(PY) -m pytest -s tests/faults/test_sending.py \
		tests/faults/test_sending_by_post_office.py $(ARGS)
	@cat $(FAULT_TABLE)

FAULT_TABLE := test-artifacts/faults.md

bench-ingest: $(READY)
	$(PY) -m benchmarks.ingest $(if $(ROWS),--rows $(ROWS)) $(ARGS)

bench-workbook: $(READY)
	$(PY) -m benchmarks.workbook $(if $(ROWS),--rows $(ROWS))

bench-rotation: $(READY)
	$(PY) -m benchmarks.rotation $(if $(ROWS),--rows $(ROWS))

bench-comparison: $(READY)
	$(PY) -m benchmarks.comparison $(if $(ROWS),--rows $(ROWS))

bench-outbox: $(READY)
	$(PY) -m benchmarks.outbox $(if $(N),-n $(N)) $(ARGS)

bench-dispatch: $(READY)
	$(PY) -m benchmarks.dispatch $(if $(N),-n $(N)) $(ARGS)

bench-web: $(READY)
	$(PY) -m benchmarks.web $(ARGS)

bench-lookup: $(READY)
	$(PY) -m benchmarks.lookup $(if $(ROWS),--rows $(ROWS))

bench-reply: $(READY)
	$(PY) -m benchmarks.reply $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS))

bench-register: $(READY)
	$(PY) -m benchmarks.register $(if $(N),--notifications $(N))

check: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(WITH_PRODUCTION_SETTINGS) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	$(WITH_PRODUCTION_SETTINGS) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(WITH_PRODUCTION_SETTINGS) manage.py check --deploy --fail-level WARNING
	$(PY) -m tests.translations check
	$(PY) -m djlint --quiet --lint templates
	$(PY) -m yamllint --strict -d '{extends: default, rules: {document-start: disable, line-length: {max: 120}}}' docker-compose.yml

messages: $(STAMP)
	$(PY) -m tests.translations update

lock:
	@command -v uv > /dev/null || { echo 'make lock needs uv: https://docs.astral.sh/uv/'; exit 1; }
	uv pip compile $(UV_OPTIONS) pyproject.toml -o requirements.txt
	uv pip compile $(UV_OPTIONS) --extra demo --extra dev pyproject.toml -o requirements-dev.txt

UV_OPTIONS := --quiet -p 3.11 --universal --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header

%.mo: %.po | $(STAMP)
	@$(PY) -m babel.messages.frontend --quiet compile -i $< -o $@

# An environment that does not run (its Python was removed, or lives in another account's home) is
# made again, whatever its stamp says.
ifneq ($(shell $(PY) -c 'print(1)' 2> /dev/null),1)
.PHONY: $(STAMP)
endif

# dkimpy (tests only) is published as source alone; it is plain Python.
$(STAMP):
	@set -e; \
	if ! $(PY) -c '' 2> /dev/null; then \
		rm -rf .venv || { echo "Supprimez .venv depuis le compte qui l'a créé."; exit 1; }; \
		if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; \
		else set -- python3 python3.14 python3.13 python3.12 python3.11 python; fi; \
		found=; \
		for candidate in "$$@"; do \
			if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; \
			then found=$$candidate; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "Python 3.11 ou plus récent est nécessaire, et aucun n'a été trouvé ($$*)."; \
			echo "Installez-le, ou indiquez-le : make PYTHON=/chemin/vers/python3 $(MAKECMDGOALS)"; \
			exit 1; \
		fi; \
		"$$found" -m venv .venv || { rm -rf .venv; \
			echo "L'environnement n'a pas pu être créé (Debian : apt-get install python3-venv)."; exit 1; }; \
	fi; \
	echo "Installation des dépendances (une à deux minutes)…"; \
	$(PY) -m pip install --quiet --require-hashes --only-binary :all: --no-binary dkimpy -r $(LOCK); \
	rm -f .venv/.installed-*; \
	touch $@
