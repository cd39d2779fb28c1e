#!/usr/bin/env bash
# Set-up for `make build` and `make test`: Debian packages, then .venv with pinned versions. Does nothing the second time.
# Ends with one clear line and code 2 when something is missing that it may not install.
set -euo pipefail
cd "$(dirname "$0")/.."

FINN="finn-plus==1.6.1"   # its metadata pins an older brevitas that cannot be resolved beside torch 2.13: no dependencies
STAMP=.venv/set_up.sha256

refuse() { echo "set-up: $*" >&2; exit 2; }
has_osu018() { dpkg -s qflow-tech-osu018 >/dev/null 2>&1; }

# command or check : Debian package
missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
command -v sta >/dev/null || missing+=(opensta)
command -v iverilog >/dev/null || missing+=(iverilog)
if command -v dpkg >/dev/null; then has_osu018 || missing+=(qflow-tech-osu018); fi
if ! command -v python3.11 >/dev/null; then
    missing+=(python3.11 python3.11-venv)
elif ! python3.11 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    missing+=(python3.11-venv)
fi

if [ ${#missing[@]} -gt 0 ]; then
    ask="install ${missing[*]} (apt-get install ${missing[*]}), then run make again"
    if ! command -v apt-get >/dev/null; then
        refuse "${missing[*]} missing and this is no Debian or Ubuntu; install what brings them, then run make again"
    elif [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        refuse "not permitted to install Debian packages; $ask"
    fi
    echo "set-up: installing ${missing[*]} with apt-get"
    log=$(mktemp)
    if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update \
        && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"; \
    } </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        refuse "apt-get failed, its log is $log; $ask"
    fi
    rm -f "$log"
fi

wanted=$(cat requirements.txt constraints.txt scripts/set_up.sh | sha256sum | cut -d' ' -f1)
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

started=$SECONDS
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "set-up: making .venv"
    rm -rf .venv
    python3.11 -m venv .venv || refuse "python3.11 -m venv failed; install python3.11-venv"
fi
rm -f "$STAMP"
echo "set-up: installing Python packages into .venv (about 2 minutes)"
pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input -qq)
"${pip[@]}" install --progress-bar off -r requirements.txt -c constraints.txt </dev/null \
    || refuse "pip could not install requirements.txt; its last lines above say why"
"${pip[@]}" install --progress-bar off --no-deps "$FINN" </dev/null || refuse "pip could not install $FINN; its last lines above say why"
echo "$wanted" > "$STAMP"
echo "set-up: done in $((SECONDS - started)) s"
