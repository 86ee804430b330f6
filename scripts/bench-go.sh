#!/usr/bin/env bash
# Runs the Go benchmarks six times beside a throw-away PostgreSQL and leaves
# what they say in bench-results, a file per commit, for benchstat to compare.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
mkdir -p bench-results
out=bench-results/$(git rev-parse --short HEAD 2>/dev/null || echo unknown).txt
.build/withpg go test -run '^$' -bench "${1:-.}" -benchmem -count 6 -timeout 60m ./... | tee "$out"
say "kept in $out; compare two with: benchstat OLD NEW"
