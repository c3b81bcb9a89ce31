# The two commands are `make demo` and `make test`; both set up what a fresh Debian 12 with Swift lacks.
.PHONY: help setup build services demo demo-smoke partners test test-faults test-audit test-sanitizers explore fuzz bench-network readme check-openapi lint format generate clean

SWIFT_BUILD = swift build -c release
# Hundreds of databases that wait for the disk at every commit: in memory where there is room, or a slow disk is what the tests measure.
TEST_FOLDER := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}')" -gt 2000000 2>/dev/null && test -w /dev/shm && echo TMPDIR=/dev/shm)
SWIFT_TEST = $(TEST_FOLDER) SWIFT_BACKTRACE=enable=no swift test -c release --skip-build
# Suites that wait for sockets, processes and deadlines run apart from those that keep every core busy.
SERVED = CoordinatorServiceTests|PartnerServiceTests|PartnerServingTests|TaskDatabaseTests
# Those that start programs run apart from those that hold a thousand files open: Foundation's Process reads past the end of
# /proc/self/fd then (swift-corelibs-foundation, findMaximumOpenFromProcSelfFD copies 256 bytes of the last, shorter entry).
COMMANDS = OperationsTests|CommandLineTests
# Everything but what a generator wrote.
FORMATTED = Package.swift Coordinator Client Tests Fuzzing/Package.swift Fuzzing/Sources/FuzzTargets $(filter-out Sources/WireProtocol Sources/Transport,$(wildcard Sources/*)) \
  $(wildcard Sources/WireProtocol/*.swift) $(filter-out Sources/Transport/Generated,$(wildcard Sources/Transport/*))

help:
	@sed -n 's/^## //p' Makefile

## make demo     set up, build `tacit`, train privately on the embedded shop data twice (mf, covariance), show the report
demo: build
	@scripts/demo.sh

## make demo-smoke  the same on a small population, as continuous integration runs it
demo-smoke: build
	@DEMO_DATA=synthetic:600x120x5 scripts/demo.sh

## make partners  one coordinator and seven partners as processes with real certificates: trains to the end, twice, and shows the table
partners: services
	@rm -rf runs/partners runs/partners-exact
	@scripts/partners.sh runs/partners
	@PARTNERS_NOISE=none scripts/partners.sh runs/partners-exact

## make test     set up, build everything in one configuration, run every test
test: services
	$(SWIFT_BUILD) --product tacitPackageTests
	@echo "==> running the tests"
	$(SWIFT_TEST) --skip '$(SERVED)|$(COMMANDS)|TransportTests|FaultTests'
	@echo "==> running the tests of the network and of the command lines"
	$(SWIFT_TEST) --filter TransportTests
	$(SWIFT_TEST) --filter '$(SERVED)'
	$(SWIFT_TEST) --filter '$(COMMANDS)'
	@echo "==> killing processes and breaking lines (short form)"
	$(SWIFT_TEST) --filter FaultTests

## make test-faults  the long form: every kill, every set of partners, unplugged lines, 10,000 malformed requests (about 10 minutes)
test-faults: services
	$(SWIFT_BUILD) --product tacitPackageTests
	TACIT_FAULTS=long $(SWIFT_TEST) --filter FaultTests

## make test-audit  the whole audit table: 200 audits of what is right, 100 of each fault (about 5 minutes)
test-audit: setup
	$(SWIFT_BUILD) --product tacitPackageTests
	TACIT_AUDIT=long $(SWIFT_TEST) --filter 'SimulationTests.AuditTests|DifferentialPrivacyTests.AuditTests'

## make explore  every state of secure sums of three and four, a lying coordinator's among them (some minutes)
explore: setup
	$(SWIFT_BUILD) --product tacitPackageTests
	TACIT_EXPLORE=long $(SWIFT_TEST) --filter ExplorerTests

## make fuzz     libFuzzer over every decoder and the sessions' and engines' receive, FUZZ_SECONDS each (60)
fuzz: setup
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),60)

## make test-sanitizers  the pure targets' tests under AddressSanitizer and under ThreadSanitizer, in builds of their own
test-sanitizers: setup
	@scripts/test-sanitizers.sh

## make bench-network  50 partners × 1M entries and 200 × 100K: CPU, memory, bytes
bench-network: setup
	@scripts/scale.sh

## make build    set up and build `tacit` in release
build: setup
	@echo "==> building tacit (release; the first build takes a few minutes, later ones seconds)"
	$(SWIFT_BUILD) --product tacit

## make services  set up and build all three programs; the network's two bring gRPC, TLS and SQLite, which take some minutes more
services: build
	@echo "==> building tacit-coordinator and tacit-client (release)"
	$(SWIFT_BUILD) --product tacit-coordinator
	$(SWIFT_BUILD) --product tacit-client

setup:
	@scripts/setup.sh

## make readme   run every command of README.md, each with the exit code that it says
readme: build
	@scripts/check-readme.sh

## make check-openapi  let schemathesis ask `tacit-client serve` what its document allows and what not (needs pip; some minutes)
check-openapi: services
	@scripts/check-openapi.sh

## make lint     check the format of every source file
lint:
	swift format lint --strict --recursive --parallel $(FORMATTED)

format:
	swift format --in-place --recursive --parallel $(FORMATTED)

## make generate regenerate Sources/WireProtocol/Generated from Protocols/tacit/v1/*.proto (needs protobuf-compiler)
generate:
	scripts/generate-protobuf.sh

clean:
	rm -rf .build Fuzzing/.build runs
