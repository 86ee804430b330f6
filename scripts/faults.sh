#!/usr/bin/env bash
# Runs the fault tests COUNT times in a row (first argument, 1 without) and says
# of each how often it passed and how long it took at most. What failing ones
# print is kept in .build/faults.log.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
count=${1:-1}
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
log=.build/faults.log

say "the fault tests $count times, with the PostgreSQL of $LAMINAR_PG_BIN"
status=0
.build/withpg go test -race -v -timeout 0 -count="$count" -run '^TestFault' ./cmd/laminar/faults >"$log" 2>&1 || status=$?

awk '
  $1 == "---" && /\([0-9.]+s\)$/ {
    name = $3; sub(/^TestFault/, "", name)
    seconds = substr($4, 2) + 0
    if (!(name in runs)) order[++n] = name
    runs[name]++
    if ($2 == "PASS:") passed[name]++
    if (seconds > longest[name]) longest[name] = seconds
  }
  END {
    for (i = 1; i <= n; i++) {
      name = order[i]
      parent = 0
      for (other in runs) if (index(other, name "/") == 1) parent = 1
      if (!parent) printf "%-55s %d of %d passed, %.1f s at most\n", name, passed[name], runs[name], longest[name] | "sort"
    }
  }' "$log"
[ "$status" = 0 ] || die "fault tests failed (exit status $status)" "less $log"
