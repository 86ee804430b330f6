#!/usr/bin/env bash
# Sets up the linters in .tools/bin: golangci-lint, pinned and built, which takes
# minutes the first time, govulncheck likewise, and shellcheck of the distribution.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

build_tool lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint golangci-lint
build_tool vuln golang.org/x/vuln/cmd/govulncheck govulncheck
# staticcheck's checks are among golangci-lint's: no program of its own is needed.
have shellcheck || from_distribution shellcheck shellcheck
