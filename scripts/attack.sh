#!/usr/bin/env bash
# Runs the attacks whole, COUNT times in a row (first argument, 1 without), and says
# of each whether it held, how long it took at most, and what it reports. What they
# print is kept in .build/attack.log. RUN=regexp chooses some of them.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
count=${1:-1}
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
log=.build/attack.log

say "the attacks $count times, with the PostgreSQL of $LAMINAR_PG_BIN"
status=0
LAMINAR_TEST_ATTACK_WHOLE=1 .build/withpg go test -v -timeout 0 -count="$count" -run "${RUN:-^TestAttack}" ./cmd/laminar/attack >"$log" 2>&1 || status=$?

awk '
  $1 == "---" && /\([0-9.]+s\)$/ {
    name = $3; sub(/^TestAttack/, "", name)
    seconds = substr($4, 2) + 0
    if (!(name in runs)) order[++n] = name
    runs[name]++
    if ($2 == "PASS:") held[name]++
    if (seconds > longest[name]) longest[name] = seconds
  }
  $1 == "===" && ($2 == "RUN" || $2 == "NAME") { current = $3; sub(/^TestAttack/, "", current) }
  / held: / { text = $0; sub(/.* held: /, "", text); report[current] = text }
  END {
    for (i = 1; i <= n; i++) {
      name = order[i]
      printf "%-40s held %d of %d times, %.1f s at most\n", name, held[name], runs[name], longest[name]
      if (name in report) printf "    %s\n", report[name]
    }
  }' "$log"
[ "$status" = 0 ] || die "attacks did not hold (exit status $status)" "less $log"
