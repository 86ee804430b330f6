#!/usr/bin/env bash
# Sets up what is missing, then runs all tests with the race detector beside
# one throw-away PostgreSQL. Arguments go to go test; without any it is ./... .
# A Chromium is set up only where the tests that look at the console are run.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
scripts/setup-senders.sh
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
if [ $# = 0 ]; then set -- ./...; fi
for argument in "$@"; do
  case $argument in
    ./... | ./cmd/... | ./cmd/laminar/... | *cmd/laminar/browser | *cmd/laminar/browser/ | *cmd/laminar/browser/...)
      LAMINAR_TEST_CHROMIUM=$(scripts/setup-chromium.sh)
      export LAMINAR_TEST_CHROMIUM
      break
      ;;
  esac
done

say 'go vet'
go vet ./...
say "go test -race $*, with the PostgreSQL of $LAMINAR_PG_BIN"
.build/withpg go test -race -timeout 20m "$@"
