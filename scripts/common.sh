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
