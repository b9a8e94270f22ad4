# Two commands matter to a newcomer: `make demo` and `make test`. Each does all set-up that it needs.

.PHONY: demo run test build release conformance bench clean

# The whole story on real input: a server, a database, a password that dies on time, a log that proves itself.
demo: release
	@scripts/demo.sh

# A persistent server on the embedded store for daily use; prints where it listens and how to log in.
run: release
	@scripts/run.sh

# Everything that must hold: formatting, lints, layers, licences, unit, property and whole-server tests, PostgreSQL included.
test:
	@scripts/test.sh

# Heavy foreign clients against the running binary.
conformance: build
	@scripts/conformance.sh

# Figures beside the machine's own limits.
bench: release
	@bench/run.sh

build:
	@scripts/setup.sh build
	cargo build --workspace

release:
	@scripts/setup.sh build
	cargo build --release -p cardea

clean:
	cargo clean
	rm -rf .demo .run
