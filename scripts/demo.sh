#!/usr/bin/env bash
# Sets up what is missing, builds Laminar and shows it at work. Arguments go to
# laminar demo.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
LAMINAR_PG_BIN=$(scripts/setup-postgres.sh)
export LAMINAR_PG_BIN
say 'building bin/laminar'
scripts/build.sh
# Not a child of this shell: Ctrl-C is for Laminar alone, which ends in order.
exec bin/laminar demo "$@"
