#!/usr/bin/env bash
# How the packages are divided: lines, methods, references between files that
# run back. Fails where a limit is broken. -v names those references; packages
# can be given, ./... is the default.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
go build -o .build/structure ./scripts/structure
exec .build/structure "$@"
