# What people and CI run. Each target says on one line what it lacks.

CARGO ?= cargo
# Our own tools go beside the build, not into the user's home; a new version is a
# new directory.
CARGO_DENY := target/tools/cargo-deny-0.20.2/bin/cargo-deny
CARGO_MACHETE := target/tools/cargo-machete-0.9.2/bin/cargo-machete

.PHONY: help run test soak bench check format-check clippy rustdoc dependencies docs

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## build and start Stoa on 127.0.0.1:3000, storing under your data directory
	@$(call need,cargo,install Rust)
	@$(call need,git,install git: repositories are fetched with it)
	$(CARGO) run --release --locked --bin stoa

test: ## run all tests, each story in its short form
	@$(call need,cargo,install Rust)
	@$(call need,git,install git: tests serve repositories with it)
	@$(call need,go,install Go: the go command is the judge of every answer)
	$(CARGO) test --workspace --locked

soak: ## run all tests, each story with its full figures
	@$(call need,git,install git: tests serve repositories with it)
	@$(call need,go,install Go: the go command is the judge of every answer)
	STOA_SOAK=1 $(CARGO) test --workspace --locked

bench: ## measure, beside nginx and git
	bench/run

check: format-check clippy rustdoc dependencies ## everything that needs no test to run

format-check:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

rustdoc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --all-features --no-deps --document-private-items --locked

# The advisories live in a git repository that not every network reaches; all else
# is decided by the lock file alone.
dependencies: $(CARGO_DENY) $(CARGO_MACHETE)
	$(CARGO_MACHETE) frontend shared stoa worker
	$(CARGO_DENY) --log-level error check bans licenses sources
	@if $(CARGO_DENY) --log-level off fetch db 2>/dev/null; then \
		$(CARGO_DENY) --log-level error check advisories; \
	else \
		echo "advisories: NOT CHECKED, the advisory database cannot be reached"; \
	fi

docs: ## write the README's tables anew
	UPDATE_DOCS=1 $(CARGO) test -p stoa-shared --test it readme

target/tools/%:
	$(CARGO) install --locked --root $(patsubst %/bin/,%,$(dir $@)) $(subst -0,@0,$(firstword $(subst /, ,$*)))

# $(call need,program,what to do about it)
need = command -v $(1) >/dev/null || { echo "$(1) is not on the PATH: $(2)" >&2; exit 1; }
