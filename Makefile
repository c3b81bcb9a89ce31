# The two commands are `make demo` and `make test`; both set up what a fresh Debian 12 with Swift lacks.
.PHONY: help setup build demo demo-smoke test test-faults bench-network readme lint format generate clean

SWIFT_BUILD = swift build -c release
TACIT = .build/release/tacit

help:
	@sed -n 's/^## //p' Makefile

## make demo     set up, build `tacit`, train privately on the embedded shop data twice (mf, covariance), show the report
demo: build
	@scripts/demo.sh

## make demo-smoke  the same on a small population, as continuous integration runs it
demo-smoke: build
	@DEMO_DATA=synthetic:600x120x5 scripts/demo.sh

## make test     set up, build everything in one configuration, run every test
test: setup
	@echo "==> building tacit and the tests (release, one configuration)"
	$(SWIFT_BUILD) --product tacit
	$(SWIFT_BUILD) --product tacit-coordinator
	$(SWIFT_BUILD) --product tacit-client
	$(SWIFT_BUILD) --product tacitPackageTests
	@echo "==> running the tests"
	SWIFT_BACKTRACE=enable=no swift test -c release --skip-build --skip FaultTests
	@echo "==> killing processes and breaking lines (short form)"
	SWIFT_BACKTRACE=enable=no swift test -c release --skip-build --filter FaultTests

## make test-faults  the long form: every kill, every set of partners, 10,000 malformed requests (about 15 minutes)
test-faults: setup
	$(SWIFT_BUILD) --product tacit
	$(SWIFT_BUILD) --product tacit-coordinator
	$(SWIFT_BUILD) --product tacit-client
	$(SWIFT_BUILD) --product tacitPackageTests
	TACIT_FAULTS=long SWIFT_BACKTRACE=enable=no swift test -c release --skip-build --filter FaultTests

## make bench-network  50 partners × 1M entries and 200 × 100K: CPU, memory, bytes
bench-network: setup
	@scripts/scale.sh

## make build    set up and build `tacit` in release
build: setup
	@echo "==> building tacit (release; the first build takes a few minutes, later ones seconds)"
	$(SWIFT_BUILD) --product tacit

setup:
	@scripts/setup.sh

## make readme   run every command of README.md, each with the exit code that it says
readme: build
	@scripts/check-readme.sh

## make lint     check the format of every source file
lint:
	swift format lint --strict --recursive --parallel Package.swift Sources/CryptoPrimitives Sources/SecureAggregation \
	  Sources/DifferentialPrivacy Sources/Recommender Sources/FederatedLearning Sources/WireProtocol/*.swift Sources/Storage \
	  Sources/DataImport Sources/ModelExport Sources/Reporting Sources/Simulation Sources/tacit Coordinator Client Tests

format:
	swift format --in-place --recursive --parallel Package.swift Sources/CryptoPrimitives Sources/SecureAggregation \
	  Sources/DifferentialPrivacy Sources/Recommender Sources/FederatedLearning Sources/WireProtocol/*.swift Sources/Storage \
	  Sources/DataImport Sources/ModelExport Sources/Reporting Sources/Simulation Sources/tacit Coordinator Client Tests

## make generate regenerate Sources/WireProtocol/Generated from Protocols/tacit/v1/*.proto (needs protobuf-compiler)
generate:
	scripts/generate-protobuf.sh

clean:
	rm -rf .build runs
