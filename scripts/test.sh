#!/usr/bin/env bash
# Sets up what is missing, then runs all tests beside one throw-away PostgreSQL, with the
# race detector. Arguments go to go test; without any it is ./... .
#
# Tests that draw many histories at random draw few of them (-short) under the race
# detector, which makes them ten times as slow; the packages that have such tests run
# again without it, with all of them. If the arguments begin with a flag, go test is
# called once, as they say. A package that hangs ends after 45 minutes: on two busy cores
# the longest take a third of that.
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

if [[ $1 == -* ]]; then
  say "go test -race $*, with the PostgreSQL of $LAMINAR_PG_BIN"
  exec .build/withpg go test -race -timeout 45m "$@"
fi
say 'go vet'
go vet -race "$@"
say "go test -race -short $*, with the PostgreSQL of $LAMINAR_PG_BIN"
.build/withpg go test -race -short -timeout 45m "$@"
drawing=$(grep -rl --include='*_test.go' --exclude-dir='.?*' --exclude-dir=node_modules 'testing\.Short()' . | xargs -n 1 dirname | sort -u)
mapfile -t drawing < <(comm -12 <(echo "$drawing") <(go list "$@" | sed 's|^laminar|.|' | sort))
if [ ${#drawing[@]} != 0 ]; then
  say "go test ${drawing[*]}"
  .build/withpg go test -timeout 45m "${drawing[@]}"
fi
