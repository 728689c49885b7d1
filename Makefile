# The commands of this project. Each is a few lines; `make` alone lists them.
.PHONY: help demo build docs check audit test bench evidence ablation exports teachers series joint coverage durability intervals null same house sizes
CARGO ?= cargo
export LIMBECK_DATA ?= $(abspath ../shared/data)
LIMBECK := target/release/limbeck

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

build: ## the command-line program, in target/release/limbeck
	$(CARGO) build --release --workspace --locked

demo: ## build, then distill a simulated thermistor and predict with the student
	$(CARGO) build --release --workspace --locked
	$(LIMBECK) demo

docs: ## the book, in target/book; needs mdbook
	mdbook build docs

check: ## formatting, lints and documentation, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --locked

audit: ## licences, banned and duplicate crates by deny.toml; needs cargo-deny, and the network for advisories
	$(CARGO) deny check licenses bans sources
	$(CARGO) deny check advisories

test: check ## everything that guards a change
	$(CARGO) test --release --workspace --locked

bench: ## training step and prediction, beside PyTorch and ONNX Runtime where they are installed
	$(CARGO) build --release --workspace --benches --locked
	python3 evidence/bench.py

evidence: ## docs/evidence.md from real data; resumable, QUICK=1 for a short one
	$(CARGO) build --release --workspace --locked
	python3 evidence/run.py

ablation: ## docs/ablation.md: each method added and removed, on real data; resumable, QUICK=1 for a short one
	$(CARGO) build --release --workspace --locked
	python3 evidence/ablation.py

exports: ## docs/export.md: random students in C and ONNX; needs onnx, onnxruntime, numpy (and ziglang for a second compiler)
	$(CARGO) build --release --locked -p limbeck-export --example random
	python3 evidence/export.py

teachers: ## docs/teachers.md: the teacher alone, on real and simulated tables; resumable, BEFORE=FILE for an older program beside it
	$(CARGO) build --release --workspace --locked
	python3 evidence/teachers.py

series: ## docs/series.md, horizons.md and shares.md: students that look back on earlier rows, on real series; resumable
	$(CARGO) build --release --workspace --locked
	python3 evidence/series.py
	python3 evidence/horizons.py
	python3 evidence/shares.py

joint: ## docs/joint.md: one student for several targets against one for each, at equal bytes; resumable
	$(CARGO) build --release --workspace --locked
	python3 evidence/joint.py

coverage: ## docs/coverage.md: prediction intervals on real data; resumable; needs onnxruntime for a part
	$(CARGO) build --release --workspace --locked
	python3 evidence/intervals.py

durability: ## docs/durability.md: kills, full and lost disks, damaged files; needs the right to mount for a part
	$(CARGO) build --release --workspace --locked
	python3 evidence/durability.py

intervals: ## docs/intervals.md: how often verdicts and intervals are wrong, on simulated predictions; minutes
	$(CARGO) run --release --locked -p limbeck-distill --example intervals > docs/intervals.md.new
	mv docs/intervals.md.new docs/intervals.md

null: ## false verdicts of 30 whole runs in which there is nothing to take from the teacher; minutes
	$(CARGO) build --release --workspace --locked
	python3 evidence/null.py

same: ## does this tree compute what BASE=<commit> computes? Every figure and file of 25 small runs; minutes
	$(CARGO) build --release --workspace --locked
	python3 evidence/same.py $(BASE)

house: ## import circles, lengths of functions, who knows the whole recipe, rules about options
	@python3 evidence/house.py

sizes: ## lines per file, longest first
	@git ls-files '*.rs' | xargs wc -l | sort -rn | head -40
