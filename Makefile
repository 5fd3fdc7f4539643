# The agent's front door. `make demo` and `make test` install what they need (see tests/lib/packages).

DESTDIR ?=
PREFIX ?= /usr
BINARIES ?= target/release
# Writes the man pages: one that runs here, where BINARIES are for another processor.
MAN ?= $(BINARIES)/waagent-man
PROGRAMS = waagent-certs waagent-gate waagent-disk waagent-ext waagent-ext-run waagent-fetch waagent-media \
           waagent-net waagent-provision waagent-supervise waagent-transfer
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
UNIT_KINDS = service socket path timer target mount swap slice
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: all build packages build-packages test-packages base-ahead install selinux package demo check test test-fast boots vm-test \
    audit bench clean

all: build

packages:
	@tests/lib/packages

# What compiling needs, and nothing else.
build-packages:
	@tests/lib/packages build

# What tests need beside.
test-packages: packages
	@tests/lib/packages tests

build: packages
	cargo build --release --locked --workspace --bins

# Everything where a package would put it. INSTALL_ONLY=1: from BINARIES as they are, without building.
install: $(if $(INSTALL_ONLY),,build)
	install -d $(DESTDIR)$(PREFIX)/libexec/waagent $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/etc/waagent.conf.d \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 0755 $(PROGRAMS:%=$(BINARIES)/%) $(DESTDIR)$(PREFIX)/libexec/waagent
	install -m 0755 $(BINARIES)/waagent $(DESTDIR)$(PREFIX)/sbin/waagent
	$(MAN) $(DESTDIR)$(PREFIX)/share/man
	install -m 0644 systemd/waagent.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/waagent.conf
	install -m 0644 systemd/waagent.tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/waagent.conf
	install -d $(UNITS) $(UNITS)/ssh@.service.d $(UNITS)/sshd@.service.d \
	    $(UNITS)/modprobe@nf_tables.service.d $(UNITS)-preset \
	    $(DESTDIR)$(PREFIX)/lib/udev/rules.d $(DESTDIR)$(PREFIX)/lib/systemd/network
	install -m 0644 $(wildcard $(UNIT_KINDS:%=systemd/*.%)) $(UNITS)
	install -m 0644 systemd/ssh@.service.d/50-waagent.conf $(UNITS)/ssh@.service.d
	install -m 0644 systemd/sshd@.service.d/50-waagent.conf $(UNITS)/sshd@.service.d
	install -m 0644 systemd/modprobe@nf_tables.service.d/50-waagent.conf $(UNITS)/modprobe@nf_tables.service.d
	install -m 0644 systemd/90-waagent.preset $(UNITS)-preset
	install -m 0644 $(wildcard config/*.rules) $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	install -m 0644 config/01-waagent-unmanaged-sriov.network $(DESTDIR)$(PREFIX)/lib/systemd/network
	install -d $(DESTDIR)$(PREFIX)/share/waagent
	install -m 0644 config/signing-roots.pem config/timestamp-roots.pem $(DESTDIR)$(PREFIX)/share/waagent
	[ -e $(DESTDIR)/etc/waagent.conf ] || install -m 0644 config/waagent.conf $(DESTDIR)/etc/waagent.conf
	packaging/manifest $(DESTDIR)/ $(PREFIX)

# The SELinux module, against the policy headers in POLICY_HEADERS; NAME of that policy where it isn't this machine's.
POLICY_HEADERS ?= /usr/share/selinux
PACKAGES ?= target/packages
selinux:
	@POLICY_NAME=$(POLICY_NAME) selinux/build target/selinux $(POLICY_HEADERS)

# The Debian packages, of the binaries as they are; with waagent-selinux if the policy headers are there.
package: $(if $(wildcard $(POLICY_HEADERS)/devel/Makefile),selinux)
	@BINARIES=$(BINARIES) packaging/debian/build $(PACKAGES) \
	    $(if $(wildcard $(POLICY_HEADERS)/devel/Makefile),target/selinux)

# The guest's base system, made while cargo compiles.
base-ahead: packages
	@tests/vm/base-ahead

# A guest under SELinux enforcing, scenario by scenario.
vm-test: test-packages base-ahead build
	tests/vm/run

# The auditor's report: what each program may do, in all layers, from the declarations. The same sources, the same bytes.
audit: packages
	@cargo run --quiet --locked -p waagent-audit -- . docs/audit
	@echo "docs/audit/README.md, docs/audit/audit.html"

# The main job, end to end, on this machine: no Azure, nothing left behind. FAULTS=1: on a bad day.
demo: build
	@FAULTS=$(FAULTS) tests/lib/private-view $(CURDIR)/tests/demo/run

# What one runs all day, without root: format, lints, unit tests; and whether it compiles for 64-bit ARM, where there is a compiler for it.
check: build-packages
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace --lib --quiet
	@tests/arm64/check

# Before a push: every crate, the chain, units, SELinux module, scripts and dependencies, native boots; no guest, no packages.
test-fast: test-packages build
	tests/run fast

# Everything.
test: base-ahead build
	tests/run

# N boots under a real service manager, looked at for races.
N ?=
boots: test-packages base-ahead build
	tests/native/boots $(N)

# N: so many boots for each figure of the native part (6).
bench: test-packages base-ahead build
	N=$(N) tests/bench/run

clean:
	cargo clean
