#!/usr/bin/env bash
# Makes sure that there are node and npm, which build the console: those that are there;
# else, as root on Debian or Ubuntu, the distribution's. Who does not change the console
# needs neither.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

found() { have npm && have node && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]; }

from_apt() {
  have apt-get && [ "$(id -u)" = 0 ] || return 1
  say 'installing node and npm of this distribution'
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-cache show nodejs >/dev/null 2>&1; then apt-get update -qq || return 1; fi
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 nodejs npm >&2
}

found || { from_apt && found; } || die \
  'there is no node 18 or newer with npm, which the console is built with' \
  'apt install nodejs npm (or the packages of your distribution), then again' \
  'leave console/ui as it is: what it is built into is committed, and Go is all that Laminar needs'
