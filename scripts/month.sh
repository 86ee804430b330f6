#!/usr/bin/env bash
# Lets a month pass in which SERIES new series (first argument, 1000000 without) come a
# day, and prints of each day what is in use. What it prints is kept in .build/month.log.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
series=${1:-1000000}
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
say "a month of $series new series a day, with the PostgreSQL of $LAMINAR_PG_BIN"
LAMINAR_TEST_CHURN_SERIES=$series .build/withpg go test -v -timeout 0 -count=1 -run '^TestMonthOfChurn$' ./server | tee .build/month.log
