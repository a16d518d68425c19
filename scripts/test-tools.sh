#!/usr/bin/env bash
# Makes sure that what the tests drive is here: a browser, Python's Socket.IO client, Postgres, Redis and a proxy.
# Silent when it is; installs it where that is possible without asking; else says what to run.
set -euo pipefail

readonly python=/usr/bin/python3

packages_missing() {
  command -v chromium >/dev/null || echo chromium
  command -v nginx >/dev/null || echo nginx-light
  command -v redis-server >/dev/null || echo redis-server
  command -v redis-sentinel >/dev/null || echo redis-sentinel
  # Debian keeps a server's programs off the PATH.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || echo postgresql
  if [[ ! -x "$python" ]]; then
    echo python3 python3-socketio python3-aiohttp python3-requests python3-websocket
    return
  fi
  # Finding a module is much faster than importing it.
  "$python" - <<'PYTHON'
from importlib.util import find_spec

for module in ("socketio", "aiohttp", "requests", "websocket"):
    if find_spec(module) is None:
        print(f"python3-{module}")
PYTHON
}

mapfile -t missing < <(packages_missing | tr ' ' '\n')
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

install_command=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}")

give_up() {
  {
    echo "The tests need packages that are not installed: ${missing[*]}."
    echo "$1"
  } >&2
  exit 1
}

if ! command -v apt-get >/dev/null; then
  give_up "This is no Debian-like system: install Chromium as 'chromium', nginx, redis-server 7, redis-sentinel and initdb of Postgres on the PATH, and for $python the modules socketio, aiohttp, requests and websocket."
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    give_up "Run: sudo apt-get update && sudo apt-get install ${missing[*]}"
  fi
  as_root=(sudo -n)
fi

echo "Installing what the tests need: ${missing[*]}" >&2
# The expansion of an empty array is unset for older versions of bash.
${as_root[@]+"${as_root[@]}"} apt-get update >&2
${as_root[@]+"${as_root[@]}"} "${install_command[@]}" >&2

mapfile -t missing < <(packages_missing | tr ' ' '\n')
if [[ ${#missing[@]} -ne 0 ]]; then
  give_up "They were just installed, and are still not found: check the PATH and $python."
fi
