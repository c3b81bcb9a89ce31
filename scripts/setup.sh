#!/usr/bin/env bash
# Installs the few Debian packages that the build needs, or prints the one line that does and stops.
set -euo pipefail

packages=(libsodium-dev libssl-dev libopenblas-dev zlib1g-dev)
# What Swift itself needs to link and to read git repositories; present wherever Swift is installed as swift.org says.
packages+=(git ca-certificates libstdc++-12-dev binutils libcurl4 libxml2)

if ! command -v swift >/dev/null 2>&1; then
  echo "setup: found no 'swift' on the PATH; expected Swift 6.3 or newer (https://www.swift.org/install/linux/)" >&2
  exit 69
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
  echo "==> setup: installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  echo "==> setup: installing ${missing[*]} by sudo"
  sudo apt-get update -qq
  sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "setup: these packages are missing and this user may not install them. Run as root, then try again:" >&2
  echo "  $install" >&2
  exit 77
fi
