#!/usr/bin/env bash
# Installs the few Debian packages that the build needs, or prints the one line that does and stops.
set -euo pipefail

# What Tacit links, then what Swift itself needs to run, to link and to fetch (a full Swift installation has the latter).
packages=(libsodium-dev libssl-dev libopenblas-dev zlib1g-dev libsqlite3-dev)
packages+=(git ca-certificates binutils libstdc++-12-dev libcurl4 libxml2 libncurses6 tzdata)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      echo "setup: these packages are missing and this user may not install them. Run as root, then try again:" >&2
      echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
      exit 77
    fi
  fi
  echo "==> setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! swift --version >/dev/null 2>&1; then
  echo "setup: found no working 'swift' on the PATH; expected Swift 6.3 or newer (https://www.swift.org/install/linux/)" >&2
  exit 69
fi
