#!/usr/bin/env bash
# Runs the fault tests COUNT times in a row (first argument, 1 without). With a second
# argument, "all", the attacks follow, whole, as often. Says of each how often it passed,
# and over all its runs how many acknowledged samples were lost or stored twice, in how
# many lag was 0 in the end, how much memory a process had at most, and how long it took
# at most. What they print is kept in .build/faults.log. RUN=regexp chooses some of them.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
count=${1:-1}
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
log=.build/faults.log
began=$(date +%s)

say "the fault tests $count times, with the PostgreSQL of $LAMINAR_PG_BIN"
status=0
LAMINAR_FAULT_STRICT=1 .build/withpg go test -race -v -timeout 0 -count="$count" -run "${RUN:-^TestFault}" ./cmd/laminar/faults >"$log" 2>&1 || status=$?
if [ "${2:-}" = all ]; then
  say "the attacks $count times, whole"
  # Not with the race detector: memory is measured.
  LAMINAR_TEST_ATTACK_WHOLE=1 .build/withpg go test -v -timeout 0 -count="$count" -run "${RUN:-^TestAttack}" ./cmd/laminar/attack >>"$log" 2>&1 || status=$?
fi

awk '
  function title(name) { sub(/^TestFault/, "", name); sub(/^TestAttack/, "attack: ", name); return name }
  function field(key,   i) { for (i = 1; i <= NF; i++) if (index($i, key "=") == 1) return substr($i, length(key) + 2) }
  $1 == "---" && /\([0-9.]+s\)$/ {
    name = title($3)
    seconds = substr($4, 2) + 0
    if (!(name in runs)) order[++n] = name
    runs[name]++
    if ($2 == "PASS:") passed[name]++
    if (seconds > longest[name]) longest[name] = seconds
  }
  $1 == "===" && ($2 == "RUN" || $2 == "NAME" || $2 == "CONT") { current = title($3) }
  / outcome: / {
    said[current]++
    lost[current] += field("lost")
    double[current] += field("double")
    if (field("lag") == "0") caught[current]++
    if (field("peak_mib") + 0 > peak[current]) peak[current] = field("peak_mib") + 0
  }
  function row(name, runs, passed, lost, double, lag, peak, longest) {
    return sprintf("%-58s %9s %8s %8s %9s %9s %9s", name, passed "/" runs, lost, double, lag, peak, longest)
  }
  END {
    print row("", "runs", "passed", "lost", "double", "lag 0", "MiB", "longest s")
    for (i = 1; i <= n; i++) {
      name = order[i]
      parent = 0
      for (other in runs) if (index(other, name "/") == 1) parent = 1
      if (parent) continue
      some = name in said # before it is looked up, which makes it
      all++
      sum += runs[name]; good += passed[name]; told += said[name]; back += caught[name]
      gone += lost[name]; twice += double[name]
      if (peak[name] > most) most = peak[name]
      print row(name, runs[name], passed[name] + 0, some ? lost[name] : "-", some ? double[name] : "-",
        some ? caught[name] + 0 "/" said[name] : "-", some ? peak[name] : "-", sprintf("%.1f", longest[name])) | "sort"
    }
    close("sort")
    print row("all " all, sum, good, gone + 0, twice + 0, back + 0 "/" told + 0, most + 0, "")
  }' "$log"
say "took $((($(date +%s) - began) / 60)) min $((($(date +%s) - began) % 60)) s"
[ "$status" = 0 ] || die "tests failed (exit status $status)" "less $log"
