#!/usr/bin/env bash
# Sets up what is missing and measures Laminar beside its peers. Arguments go to
# cmd/bench; results are left in bench-results.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
scripts/setup-peers.sh
scripts/setup-senders.sh
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
say 'building bin/laminar and the harness'
go build -o bin/laminar ./cmd/laminar
go build -o .build/bench ./cmd/bench
exec .build/bench "$@"
