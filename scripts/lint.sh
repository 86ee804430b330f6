#!/usr/bin/env bash
# Formatting, vet, golangci-lint, govulncheck and shellcheck over everything.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
scripts/setup-lint.sh
PATH=$tools/bin:$PATH

unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || die "not formatted: $unformatted" "gofmt -w $unformatted"
large=$(git ls-files -z | xargs -0 sh -c 'find "$@" -maxdepth 0 -size +1000k' sh)
[ -z "$large" ] || die "over 1 MB, which no source is: $large" "git rm --cached $large"
# As the race detector has it, which is how `make test` builds: on a clean machine what all
# this depends on is compiled once.
go vet -race ./...
GOFLAGS=-race golangci-lint run ./...
for bug in testdata/torture/*.patch; do
  git apply --check "$bug" || die "$bug does not apply any more" 'put the bug of its first line in again by hand, and write the patch anew with git diff'
done
# Known vulnerabilities that this code reaches. The database of them is on the net.
vulndb=${GOVULNDB:-https://vuln.go.dev}
if [[ $vulndb == file://* ]] || curl -fsS --max-time 10 -o /dev/null "$vulndb/index/db.json" 2>/dev/null; then
  govulncheck -db "$vulndb" ./...
else
  say "govulncheck was SKIPPED: $vulndb is out of reach; GOVULNDB names another one"
fi
shellcheck -x scripts/*.sh .ci/run

if docker compose version >/dev/null 2>&1; then
  docker compose -f docker-compose.yml config -q
elif have docker-compose; then
  docker-compose -f docker-compose.yml config -q
else
  say 'docker compose is not here: docker-compose.yml was not checked'
fi
