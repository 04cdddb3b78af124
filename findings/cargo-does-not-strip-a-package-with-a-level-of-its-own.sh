#!/bin/sh
# Cargo 1.95.0 ignores strip = true of a profile for a package with an override, even if that only sets opt-level.
#
# Behaviour: with [profile.release] strip = true the binary of a package is linked with -C strip=symbols. As soon as
# [profile.release.package.NAME] sets opt-level for that package, it is linked with -C strip=debuginfo, the default, and keeps its
# symbol table. Cargo warns of nothing; strip cannot be set in the override itself.
# Why it matters: an image grows by a quarter when a binary's own code gets another level of optimization. The level has to be
# that of the profile, and the dependencies get theirs by [profile.release.package."*"].
# Source: the Cargo book, "Profiles", which says of overrides that panic, lto and rpath cannot be overridden.
# Seen: the output below,.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs cargo rustup
toolchain=1.95.0
rustup toolchain list | grep -q "^$toolchain" || rustup toolchain install "$toolchain" --profile minimal >rustup.log 2>&1 ||
    { echo "skipped: Rust $toolchain is not to be had" && exit 77; }
mkdir src
echo 'fn main() {}' >src/main.rs

# stripped OVERRIDE: how the binary is stripped with these lines in its manifest.
stripped() {
    printf '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2024"\n[profile.release]\nstrip = true\n%s\n' "$1" >Cargo.toml
    rm -rf target
    cargo "+$toolchain" build --release --verbose 2>&1 | tr ' ' '\n' | grep '^strip='
}

expect 'with the profile alone' 'strip=symbols' "$(stripped '')"
expect 'with a level for the package' 'strip=debuginfo' "$(stripped '[profile.release.package.app]
opt-level = "z"')"
expect 'with the level in the profile' 'strip=symbols' "$(stripped 'opt-level = "z"')"
