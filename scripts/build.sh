#!/usr/bin/env bash
# Builds bin/laminar with its version and commit. Go records the commit itself,
# but not in a git worktree.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
version=$(git describe --tags --dirty 2>/dev/null || echo devel)
commit=$(git rev-parse --short=7 HEAD 2>/dev/null || true)
if [ -n "$commit" ] && [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  commit+=+
fi
go build -ldflags "-X main.version=$version -X main.commit=$commit" -o "${1:-bin/laminar}" ./cmd/laminar
