# make          build bin/mana and its names
# make deps     install what building and testing need (as root, Debian/Ubuntu)
# make test     all tests
# make e2e      end-to-end tests: programs under checkpoint and restart (minutes)
# make apps     large applications (Quantum ESPRESSO, NWChem, CP2K, ...); make apps-deps installs them
# make bench    mana against no mana, side by side
# make conformance SUITE=dir   a built MPI test suite, natively and under mana (docs/conformance.md)
# make demo     checkpoint, kill and restart a real MPI job (HPCC)
# make install  into $(DESTDIR)$(PREFIX)/bin and share
# make packages  dist/: tarball, .deb and .rpm; make packages-check installs and tries them
# make lint     gofmt and go vet

SHELL := /bin/bash
GO ?= go
CC ?= gcc
PREFIX ?= /usr/local
# That of --version, which names the module file and the packages.
VERSION := $(shell sed -n 's/^const Version = "\(.*\)"$$/\1/p' cli/cli.go)
DATA = $(DESTDIR)$(PREFIX)/share
NAMES := dmtcp_coordinator dmtcp_launch dmtcp_restart dmtcp_command dmtcp_nocheckpoint \
	mana_coordinator mana_start_coordinator mana_launch mana_restart mana_status mana_inspect mana_doctor

export CGO_ENABLED := 0
# A distribution's own go may be older than go.mod asks for, a newer one beside it.
export PATH := $(PATH):/usr/local/go/bin:/usr/lib/go/bin

.PHONY: packages packages-check all build deps test e2e apps apps-deps fuzz bench conformance demo install lint clean

all: build

build: payload
	$(GO) build -trimpath -o bin/mana .
	@for n in $(NAMES); do ln -sf mana bin/$$n; done

# The C parts that are embedded in the binary (target payload).
include splitproc/payload.mk
include aware/lib.mk
payload: $(AWARE)

deps:
	./.ci/deps

apps-deps:
	./.ci/deps apps

test: build
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...
	$(MAKE) e2e

# MANA_E2E_CYCLES=10 for the full number of checkpoint-kill-restart cycles.
e2e: build
	MANA_E2E=1 MANA_BINARY=$(CURDIR)/bin/mana $(GO) test -count=1 -parallel 6 -timeout 75m ./e2e

apps: build
	MANA_E2E=1 MANA_E2E_APPS=1 MANA_BINARY=$(CURDIR)/bin/mana $(GO) test -count=1 -timeout 120m -v -run '^TestApps$$' ./e2e

fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 10s $$p || exit 1; done; done

bench: build
	$(GO) run ./bench -binary bin/mana

# CONFORMANCE holds further options: see go run ./conformance -h.
conformance: build
	nice $(GO) run ./conformance -suite $(SUITE) $(CONFORMANCE)

demo:
	./.ci/demo

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 bin/mana $(DESTDIR)$(PREFIX)/bin/mana
	@for n in $(NAMES); do ln -sf mana $(DESTDIR)$(PREFIX)/bin/$$n; done
	install -d $(DATA)/man/man1 $(DATA)/bash-completion/completions $(DATA)/zsh/site-functions $(DATA)/fish/vendor_completions.d
	install -m 0644 docs/man/*.1 $(DATA)/man/man1
	install -m 0644 contrib/completions/bash/mana $(DATA)/bash-completion/completions
	install -m 0644 contrib/completions/zsh/_mana $(DATA)/zsh/site-functions
	install -m 0644 contrib/completions/fish/mana.fish $(DATA)/fish/vendor_completions.d
	install -d $(DATA)/doc/mana $(DATA)/modulefiles/mana
	install -m 0644 README.md docs/*.md $(DATA)/doc/mana
	install -m 0644 contrib/modulefiles/mana.lua $(DATA)/modulefiles/mana/$(VERSION).lua
	install -m 0644 contrib/modulefiles/mana.tcl $(DATA)/modulefiles/mana/$(VERSION)
	install -d $(DATA)/mana/nersc_cr $(DATA)/mana/slurm
	install -m 0644 contrib/nersc_cr/cr_functions.sh $(DATA)/mana/nersc_cr
	install -m 0755 contrib/slurm/*.slurm $(DATA)/mana/slurm
	@for n in $(filter-out dmtcp_nocheckpoint,$(NAMES)); do \
	  ln -sf mana $(DATA)/bash-completion/completions/$$n; \
	  ln -sf mana.fish $(DATA)/fish/vendor_completions.d/$$n.fish; done

packages: build
	MAKE=$(MAKE) GO=$(GO) ./contrib/packages/build

packages-check:
	./contrib/packages/check

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./...

clean: payload-clean
	rm -rf bin dist $(AWARE)
