# Short names for plain commands: each recipe is what you would type, and those under `ci` are what .ci/run runs.

# Lists the recipes.
default:
    @just --list

# Serves the demo at http://127.0.0.1:8000.
run:
    cargo run --release -p rwgi-server

# Every test: units, requirements, the conformance suite, documentation examples.
test:
    cargo test --workspace --no-fail-fast

# Many clients at once, bad ones among them, in the long form (half an hour): figures, and whether they are good enough; kept in benches/results.
behaviour:
    RWGI_LONG=1 cargo test --release -p rwgi-server --test behaviour --test restart -- --nocapture --test-threads 1

# Independent clients and testers (openssl, curl, nghttp, h2load, slowhttptest, testssl.sh), as far as they are installed.
suites:
    cargo build --release -p rwgi-server
    reference-server/tests/suites.sh --long "${CARGO_TARGET_DIR:-target}/release/rwgi"

# Formats.
format:
    cargo fmt --all

# Checks the format.
format-check:
    cargo fmt --all --check

# Lints.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Builds the API documentation; a warning is an error.
doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked

# Builds the book into spec/book (cargo install mdbook).
book:
    mdbook build spec

# Makes the code, tables and pictures of the book from what they show, and runs its commands.
bless-book:
    RWGI_BLESS=1 cargo test -p rwgi-conformance --test oracle
    RWGI_BLESS=1 cargo test -p rwgi-server --test book

# Checks dependencies against deny.toml (cargo install cargo-deny).
deny:
    cargo deny --exclude-dev check bans
    cargo deny --all-features check licenses sources

# Compares instructions per request with the baseline (needs valgrind).
instructions:
    cargo run --release -p benches --bin instructions -- --check

# The quick part of .ci/run.
ci: format-check lint test doc deny instructions

# Makes conformance-tests/src/requirements/table.rs from the specification.
bless-requirements:
    RWGI_BLESS=1 cargo test -p rwgi-conformance --test traceability

# Makes today's instructions per request the baseline.
bless-instructions:
    cargo run --release -p benches --bin instructions -- --bless

# Changes the code at one place at a time and sees whether a test notices (cargo install cargo-mutants). All of it takes hours;
# `just mutants -F gateway-trait/src/writer.rs` takes minutes. Results in mutants.out; `just mutants-page` makes the page.
mutants *arguments:
    cargo mutants {{arguments}}

# Runs every fuzz target on its corpus and on so many random inputs, and keeps the figures in conformance-tests/FUZZ.md; names say which,
# for example `just fuzz 10000000 fuzz_operations`.
fuzz executions='2000000' *names:
    cargo run -p rwgi-conformance --example fuzz -- {{executions}} {{names}}

# Makes conformance-tests/MUTANTS.md from one or more runs of `cargo mutants`; the last has the last word, and a module that none of them
# tried keeps its row.
mutants-page *runs='mutants.out':
    cargo run -p rwgi-conformance --example mutants -- conformance-tests/MUTANTS.md {{runs}}

# Builds the Python package in a fresh virtual environment and runs its tests (needs Python with its headers).
python:
    contrib/wsgi/tests/all

# Judges WSGI servers by PEP 3333, those that are installed beside rwgi in this Python, and makes the table.
python-table:
    cd contrib/wsgi && python tests/host/run.py --table PEP3333.md rwgi gunicorn granian waitress uWSGI

# Judges ASGI servers, in the same way.
python-table-asgi:
    cd contrib/wsgi && SUITE_PATIENCE=5 python tests/host/run.py --suite asgi --table ASGI.md rwgi uvicorn granian hypercorn

# Installs the package in a fresh virtual environment of each Python that is named (`/usr/bin/python3.12 …`), tries it, and makes the table.
python-versions *pythons:
    contrib/wsgi/tests/versions {{pythons}}

# Weighs WSGI servers against each other and makes the table (needs wrk).
python-throughput:
    cd contrib/wsgi && python benches/throughput.py --write THROUGHPUT.md
