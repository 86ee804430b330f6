#!/usr/bin/env bash
# Builds the pinned linters into .tools/bin. The first time takes minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

build_tool lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint golangci-lint
build_tool lint honnef.co/go/tools/cmd/staticcheck staticcheck
if ! have shellcheck && [ ! -x "$tools/bin/shellcheck" ]; then
  # Without it the scripts go unchecked, and lint says so.
  if unpack_debs shellcheck; then link_tool shellcheck ../deb/usr/bin/shellcheck; fi
fi
