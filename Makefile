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

READY := $(ENV)/.ncpaper-ready
# Every program runs the package of this tree, with one thread and without the reader's own configuration.
RUN := $(ENV)/bin/python -I book/_tools/clean.py
# The tests of what is rendered: figures that the comparison of the notebooks leaves, and pages.
RENDERED := tests/test_figures.py tests/test_map.py $(sort $(wildcard tests/test_book*.py tests/test_browser*.py))

.DEFAULT_GOAL := help
.PHONY: help ready book chapter pdf outputs figures release test test-release lint bench errors ensembles data train lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

ready: $(READY) ## set up the environment and nothing else; every other target does it when it is needed

book: $(READY) ## execute every chapter afresh and render the book into _build/html
	@echo "Executing the chapters and rendering the book; the result will be _build/html/index.html"
	@$(RUN) book/_tools/book.py _build

chapter: $(READY) ## execute the chapter NAME afresh and show it alone: make chapter NAME=figure_2
	@echo "Executing the chapter $(NAME) and rendering it alone"
	@$(RUN) book/_tools/chapter.py "$(NAME)"

pdf: $(READY) ## print the rendered book into one PDF beside it (minutes; needs Chromium), rendering it first when it is not there
	@test -f _build/html/book/index.html || $(MAKE) --no-print-directory book
	@$(RUN) book/_tools/pdf.py _build/html

outputs: $(READY) ## rewrite the committed notebooks beside the chapters, and counts and addresses in README and citation file
	@echo "Executing the chapters; the notebooks with their outputs go to book/*.ipynb"
	@$(RUN) book/_tools/chapters.py book
	@$(RUN) book/_tools/readme.py

figures: $(READY) ## write every figure with its data and its manifest into figures/
	@echo "Executing the chapters; the figures go to figures/"
	@$(RUN) book/_tools/figures.py figures

release: $(READY) ## make archives of HEAD and of its rendered book, with checksums and a description, in _build/release
	@echo "Rendering the committed files; the release will be _build/release"
	@$(RUN) book/_tools/release.py _build/release

test: $(READY) ## run the tests and compare every notebook with its stored outputs
	@echo "Comparing every cell of book/*.ipynb with a fresh run, then testing figures and pages; the other tests run meanwhile"
	@fresh=$$(mktemp -d) || exit 1; trap 'rm -rf "$$fresh"' EXIT; mkdir "$$fresh/figures"; \
	$(RUN) -m pytest -q -p no:cacheprovider --doctest-modules --durations=5 --ignore=tests/release $(RENDERED:%=--ignore=%) \
		> "$$fresh/tests.log" 2>&1 & tests=$$!; \
	NCPAPER_FIGURES="$$fresh/figures" $(RUN) -m pytest -q -p no:cacheprovider \
		--nbval --nbval-sanitize-with tests/sanitize.cfg book \
	&& NCPAPER_FRESH="$$fresh/figures" $(RUN) -m pytest -q -p no:cacheprovider $(RENDERED); \
	status=$$?; wait $$tests || status=1; echo "The other tests:"; cat "$$fresh/tests.log"; exit $$status

test-release: $(READY) ## test what takes long, after make book: the archive of the sources, empty environments (needs a network)
	@$(RUN) -m pytest -q -p no:cacheprovider tests/release

lint: $(READY) ## check the style of the code
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check ncpaper tests book/_ext book/_tools

bench: $(READY) ## measure the speed, as ratios within one run
	@echo "Measuring; the table is printed"
	@$(RUN) tests/bench.py

errors: $(READY) ## make one deliberate error for each claim, in a copy, and see which of its tests fails; OPTIONS=--all makes every row again
	@echo "Making the errors of tests/errors.yml, one after another; the table goes to tests/errors.json"
	@$(RUN) book/_tools/errors.py $(OPTIONS)

ensembles: $(READY) ## run Figure 2 for a hundred seeds of every setting (minutes), resumable; OPTIONS="--workers 2"
	@echo "Running the ensembles; the record goes to figures/data/ensembles.json"
	@$(RUN) -m ncpaper.ensembles $(OPTIONS)

data: $(READY) ## fetch FashionMNIST and check it (for train, bench and some tests; NCPAPER_DATA names a folder that has it)
	@$(RUN) -c "from ncpaper import fashion; fashion.load('train'); fashion.load('t10k'); print(fashion.folder())"

train: $(READY) ## train VGG-13: PRESET=smoke (seconds), pocket (minutes), laptop (an hour), many, wide or paper (a GPU), alone or with -normalised or -layer-peeled, SEED=0, DEVICE=cpu, OPTIONS="--epochs 100"
	@echo "Training, resumed if it was interrupted; the record goes to figures/data"
	@$(RUN) -m ncpaper.train --preset $(PRESET) --seed $(SEED) --device $(DEVICE) $(OPTIONS)

lock: ## resolve pyproject.toml into requirements.lock, keeping what fits; OPTIONS=--upgrade renews every version
	@test -x _build/uv/bin/uv || { $(PYTHON) -m venv _build/uv && _build/uv/bin/python -m pip install --quiet uv==0.13.9; }
	@_build/uv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-annotate --no-emit-package torch --custom-compile-command "make lock" \
		--quiet --output-file requirements.lock $(OPTIONS)

clean: ## remove what was built; the environment and the checkpoints of training stay
	@if [ -d _build ]; then find _build -mindepth 1 -maxdepth 1 ! -name checkpoints ! -name "*.lock" -exec rm -rf {} +; fi

$(READY): always
	@python="$(ENV)/bin/python"; test -x "$$python" || python="$(PYTHON)"; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, set PYTHON=")' \
	&& "$$python" -I book/_tools/ready.py "$(ENV)" "$(TORCH_INDEX)"

.PHONY: always
always:
