#!/usr/bin/env bash
# Makes sure that there is a Chromium, in which the tests of the console look at its
# pages: one that is there and starts, which Ubuntu's stub for snaps does not where there
# are no snaps; else, as root on Debian or Ubuntu, the distribution's. Prints its path.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

found() {
  local name
  for name in "${LAMINAR_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && have "$name" && "$name" --version >/dev/null 2>&1; then
      browser=$(command -v "$name")
      return
    fi
  done
  return 1
}

from_apt() {
  have apt-get && [ "$(id -u)" = 0 ] || return 1
  say 'installing the Chromium of this distribution'
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-cache show chromium >/dev/null 2>&1; then apt-get update -qq || return 1; fi
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 chromium >&2
}

found || { from_apt && found; } || die \
  'there is no Chromium on this machine that starts, and none could be fetched' \
  'apt install chromium (or the package of your distribution), then again' \
  'set LAMINAR_TEST_CHROMIUM to the path of a Chromium or Chrome'
printf '%s\n' "$browser"
