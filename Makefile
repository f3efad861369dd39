# The one door. `make help` lists what there is; `make book` and `make test` do all the set-up by themselves.

PYTHON ?= python3
# PyTorch's index of CPU wheels. For a GPU: TORCH_INDEX=https://download.pytorch.org/whl/cu130; empty: the default index.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# The environment: made when missing; conda users give ENV="$CONDA_PREFIX".
ENV ?= .venv

PRESET ?= smoke
SEED ?= 0
DEVICE ?= cpu
OPTIONS ?=

BIN := $(ENV)/bin
READY := $(ENV)/.ncpaper-ready
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off
# The tests of the rendered pages, which take long and run beside the others.
PAGES := tests/test_book.py tests/test_browser.py
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export PYTHONHASHSEED := 0
export JUPYTER_PLATFORM_DIRS := 1

.DEFAULT_GOAL := help
.PHONY: help book outputs figures test lint bench data train lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

book: $(READY) ## execute every chapter afresh and render the book into _build/html
	@echo "Executing the chapters and rendering the book; the result will be _build/html/index.html"
	@rm -rf _build/notebooks _build/html
	@$(BIN)/python book/_tools/chapters.py _build/notebooks
	@$(BIN)/python book/_tools/book.py _build/notebooks _build

outputs: $(READY) ## rewrite the committed notebooks beside the chapters, and the table of the README
	@echo "Executing the chapters; the notebooks with their outputs go to book/*.ipynb"
	@$(BIN)/python book/_tools/chapters.py book
	@$(BIN)/python book/_tools/readme.py

figures: $(READY) ## write every figure with its data and its manifest into figures/
	@echo "Executing the chapters; the figures go to figures/"
	@$(BIN)/python book/_tools/figures.py figures

test: $(READY) ## run the tests and compare every notebook with its stored outputs
	@echo "Comparing every cell of book/*.ipynb with a fresh run, then running the tests; those of the rendered pages meanwhile"
	@rm -rf _build/figures && mkdir -p _build/figures
	@$(BIN)/python -m pytest -q -p no:cacheprovider $(PAGES) > _build/pages.log 2>&1 & pages=$$!; \
	NCPAPER_FIGURES="$(CURDIR)/_build/figures" $(BIN)/python -m pytest -q -p no:cacheprovider \
		--nbval --nbval-sanitize-with tests/sanitize.cfg book \
	&& NCPAPER_FIGURES= $(BIN)/python -m pytest -q -p no:cacheprovider --doctest-modules --durations=5 $(PAGES:%=--ignore=%); \
	status=$$?; wait $$pages || status=1; echo "Tests of the rendered pages:"; cat _build/pages.log; exit $$status

lint: $(READY) ## check the style of the code
	@$(BIN)/ruff check . && $(BIN)/ruff format --check ncpaper tests book/_ext book/_tools

bench: $(READY) ## measure the speed, as ratios within one run
	@echo "Measuring; the table is printed"
	@$(BIN)/python book/_tools/bench.py

data: $(READY) ## fetch FashionMNIST and check it (for train, bench and some tests; NCPAPER_DATA names a folder that has it)
	@$(BIN)/python -c "from ncpaper import fashion; fashion.load('train'); fashion.load('t10k'); print(fashion.folder())"

train: $(READY) ## train VGG-13: PRESET=smoke (seconds), pocket (minutes), laptop (an hour) or paper (a GPU), SEED=0, DEVICE=cpu
	@echo "Training, resumed if it was interrupted; the record goes to figures/data"
	@$(BIN)/python -m ncpaper.train --preset $(PRESET) --seed $(SEED) --device $(DEVICE) $(OPTIONS)

lock: ## resolve pyproject.toml into requirements.lock, keeping what fits; OPTIONS=--upgrade renews every version
	@test -x _build/uv/bin/uv || { $(PYTHON) -m venv _build/uv && _build/uv/bin/python -m pip install --quiet uv==0.13.9; }
	@_build/uv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-annotate --no-emit-package torch --custom-compile-command "make lock" \
		--quiet --output-file requirements.lock $(OPTIONS)

clean: ## remove what was built; the environment and the checkpoints of training stay
	@if [ -d _build ]; then find _build -mindepth 1 -maxdepth 1 ! -name checkpoints -exec rm -rf {} +; fi

$(READY): requirements.lock pyproject.toml
	@echo "Setting up the environment in $(ENV) (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(ENV)
	@$(PIP) --require-hashes --only-binary :all: --requirement requirements.lock
	@$(PIP) --only-binary :all: $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) \
		"$$(sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
