#!/usr/bin/env bash
# Builds the console from console/ui into console/dist. With `check` it builds into a
# directory that it throws away, and fails when what is committed is something else.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
scripts=$root/scripts
"$scripts/setup-node.sh"
cd "$root/console/ui"

# npm ci only where the lock file is another one than what is installed was made of.
if ! cmp -s package-lock.json node_modules/.of-lock.json; then
  say 'npm ci (once)'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.of-lock.json
fi
say 'tsc, over console/ui/src'
npx --no-install tsc --noEmit
say 'the tests of console/ui'
node test.mjs

if [ "${1:-}" != check ]; then
  rm -rf ../dist
  node build.mjs
  exit
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
node build.mjs "$built"
diff -rq "$built" ../dist >&2 || die 'console/dist is not what console/ui is built into' 'make console, and commit console/dist'
