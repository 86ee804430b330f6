#!/usr/bin/env bash
# Makes sure that the senders the tests run are in .tools/bin: prometheus and
# vmagent of the distribution (unpacked, not installed), and a recent vmagent,
# built from its Go module.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

# from_distribution NAME PACKAGE: takes the program from a package.
from_distribution() {
  local target=$tools/bin/$1
  if [ -x "$target" ] && "$target" --version >/dev/null 2>&1; then return; fi
  say "unpacking $1 of the package $2 (once)"
  unpack_debs "$2" || die "cannot get $1: the package $2 cannot be downloaded" \
    "on Debian or Ubuntu, apt update and again" "put a $1 at $target"
  link_tool "$1" "../deb/usr/bin/$1"
  "$target" --version >/dev/null 2>&1 || die "$1 of the package $2 does not run: $("$target" --version 2>&1 | head -1)"
}

from_distribution prometheus prometheus
from_distribution vmagent victoria-metrics
build_tool vmagent github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent vmagent-1.150
