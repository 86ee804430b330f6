#!/usr/bin/env bash
# Puts each bug of testdata/torture/*.patch into a copy of this repository, alone,
# and runs the torture for at most a minute: it must find every one of them.
# Arguments name some of the bugs. SEED is the first seed of each (default 1).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
export LAMINAR_TORTURE_SEED=${SEED:-1} LAMINAR_TORTURE_DURATION=${DURATION:-60s} LAMINAR_TORTURE_SHRINK=0s

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy"
if [ $# = 0 ]; then
  for patch in testdata/torture/*.patch; do set -- "$@" "$(basename "$patch" .patch)"; done
fi

missed=0
printf '%-20s %-10s %-10s %s\n' bug found after 'by'
for bug in "$@"; do
  patch=$copy/testdata/torture/$bug.patch
  (cd "$copy" && GIT_CEILING_DIRECTORIES=$(dirname "$copy") git apply "$patch") || die "$patch does not apply any more" 'put the bug of its first line in again by hand, and write the patch anew with git diff'
  # -vet=off: some bugs leave code behind that vet dislikes.
  (cd "$copy" && go test -vet=off -c -o "$copy/torture.test" ./cmd/laminar/torture)
  log=$copy/log
  if (cd "$copy/cmd/laminar/torture" && "$root/.build/withpg" "$copy/torture.test" -test.run 'TestTorture$' -test.v) >"$log" 2>&1; then
    missed=$((missed + 1))
    printf '%-20s %-10s\n' "$bug" 'NOT FOUND'
  else
    by=$(grep -A1 -m1 -E 'seed [0-9]+ failed' "$log" | tail -1 | sed 's/^ *//' | cut -c1-100)
    read -r seed after < <(sed -nE 's/.*seed ([0-9]+) failed, ([0-9.]+ s) after.*/\1 \2/p' "$log" | head -1) || die "the torture did not run; see below" "$(tail -3 "$log")"
    printf '%-20s %-10s %-10s %s\n' "$bug" "seed $seed" "$after" "$by"
  fi
  (cd "$copy" && GIT_CEILING_DIRECTORIES=$(dirname "$copy") git apply -R "$patch")
done
[ "$missed" = 0 ] || die "$missed bugs were not found" 'another SEED, or a longer DURATION'
