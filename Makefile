# What people and CI run. Each target says on one line what it lacks.

CARGO ?= cargo
# Our own tools go beside the build, not into the user's home; a new version is a
# new directory.
CARGO_DENY := target/tools/cargo-deny-0.20.2/bin/cargo-deny
CARGO_MACHETE := target/tools/cargo-machete-0.9.2/bin/cargo-machete


# Where the installers of Rust and Go put them, and distributions their servers, for a shell
# that was not told.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin:/usr/sbin

.PHONY: help run test soak services services-stop bench check format-check clippy rustdoc \
	dependencies docs build-programs test-programs

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: build-programs ## build and start Stoa on 127.0.0.1:3000, storing under your data directory
	@$(call need,git,git ca-certificates,repositories are fetched with it)
	$(CARGO) run --release --locked --bin stoa

test: build-programs test-programs ## run all tests, each story in its short form
	$(with-services) $(CARGO) test --workspace --locked

soak: build-programs test-programs ## run all tests, each story with its full figures
	$(with-services) STOA_SOAK=1 $(CARGO) test --workspace --locked

services: ## start RabbitMQ, Redis and an S3 server, and say how they are reached
	@.ci/services start

services-stop: ## stop what `make services` started, and delete its data
	@.ci/services stop

bench: build-programs test-programs ## measure, beside nginx, git, the go command and the S3 server
	$(CARGO) build --release --locked --bins
	$(with-services) $(CARGO) bench --locked -p stoa --bench side_by_side

check: format-check clippy rustdoc dependencies ## everything that needs no test to run

format-check:
	$(CARGO) fmt --all --check

clippy: build-programs
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

rustdoc: build-programs
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

docs: build-programs ## write the README's tables anew
	UPDATE_DOCS=1 $(CARGO) test -p stoa-shared --test it readme

# They run for seconds and are built on every fresh machine: quickly built is quick.
target/tools/%: | build-programs
	$(CARGO) install --debug --locked --root $(patsubst %/bin/,%,$(dir $@)) $(subst -0,@0,$(firstword $(subst /, ,$*)))

# Makes tests find the services. An eval alone would hide that one did not start.
with-services = services=$$(.ci/services start) && eval "$$services" &&

build-programs:
	@command -v $(CARGO) >/dev/null || { echo "cargo is not on the PATH: install Rust" >&2; exit 1; }
	@$(call need,cc,gcc libc6-dev,it links every binary)

# Distributions' Go is often older than what modules ask for: whoever runs the tests
# chooses one.
test-programs:
	@command -v go >/dev/null || { echo "go is not on the PATH: install Go (it judges every answer)" >&2; exit 1; }
	@$(call need,git,git ca-certificates,tests serve repositories with it)
	@$(call need,ssh,openssh-client,repositories of private modules are fetched with it)
	@$(call need,sshd,openssh-server,tests serve repositories over SSH with it)
	@$(call need,python3,python3,tests read zips with it)
	@$(call need,tar,tar,tests unpack what git archives with it)

# $(call need,program,packages,what for): has Debian's packages of a missing program
# installed where that is allowed, and else says what is missing.
need = command -v $(1) >/dev/null || { \
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing $(2)" && \
	export DEBIAN_FRONTEND=noninteractive && apt-get -qq update && \
	apt-get -qq -y install --no-install-recommends $(2) >/dev/null; \
	} || { echo "$(1) is not on the PATH: install $(2) ($(3))" >&2; exit 1; }
