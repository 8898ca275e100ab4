#!/bin/bash
# Everything that this checkout needs: Debian packages, a Python environment, and the start of the
# node image's build. The last line of the output is the directory of the environment's programs.
#
# The dependencies (hundreds of MB) live in an environment shared by all checkouts, named after what
# is in it; the checkout has a small one of its own on top (.venv), in which it is installed.
# Safe to run twice, at once, and to kill in the middle.
#   PYTHON=python3      which Python (3.11 or newer)
#   NO_NODE_IMAGE=1     do not start to build the node image
set -euo pipefail
shopt -s inherit_errexit # else a failure inside $(...) goes on
checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/magnum-lite
python=${PYTHON:-python3}
policy=/usr/sbin/policy-rc.d
policy_mark='# magnum-lite bootstrap: packages must not start their services'

say() { printf '%s\n' "$*" >&2; }
die() { say "bootstrap: $*"; exit 1; }

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

# dockerd's major and minor version as one number (20.10 -> 2010); 0 without a dockerd.
docker_version() {
    local found
    found=$( { dockerd --version || /usr/sbin/dockerd --version; } 2>/dev/null | sed -nE 's/.*version ([0-9]+)\.([0-9]+).*/\1 \2/p')
    # shellcheck disable=SC2086 # two words
    [ -n "$found" ] && printf '%d%02d\n' $found || echo 0
}

missing_packages() {
    "$python" -c 'import ensurepip' 2>/dev/null || echo python3-venv
    local pair
    for pair in ip:iproute2 iptables:iptables mmdebstrap:mmdebstrap openssl:openssl mkfs.ext4:e2fsprogs \
        losetup:mount nsenter:util-linux flock:util-linux sysctl:procps shellcheck:shellcheck git:git curl:curl \
        busybox:busybox-static jq:jq; do
        has "${pair%%:*}" || echo "${pair#*:}"
    done
    [ "$(docker_version)" -ne 0 ] || echo docker.io
}

remove_policy() {
    if grep -qsF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}

install_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages | sort -u)
    [ "${#missing[@]}" -gt 0 ] || return 0
    local command="apt-get install --no-remove --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        say "bootstrap: these are missing and need root; what depends on them will not run:"
        say "    sudo $command"
        return 0
    fi
    has apt-get || die "install what gives you: ${missing[*]}"
    say "bootstrap: installing ${missing[*]}"
    trap remove_policy EXIT
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" > "$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2 || say "bootstrap: the package lists could not all be renewed"
    apt-get install -q -y --no-remove --no-install-recommends "${missing[@]}" >&2 ||
        die "could not install ${missing[*]} without removing something; try it by hand: $command"
    remove_policy
    trap - EXIT
}

# Requirements of the product with the extras that a checkout uses, one a line.
requirements() {
    "$python" - "$checkout/setup.cfg" <<'END'
import configparser, sys
config = configparser.ConfigParser()
config.read(sys.argv[1])
lists = [config["options"]["install_requires"]]
lists += [config["options.extras_require"][extra] for extra in ("local", "mysql", "postgresql", "uwsgi", "test")]
print("\n".join(sorted({line.strip() for text in lists for line in text.splitlines() if line.strip()})))
print("setuptools>=77\nwheel")
END
}

# The environment with the dependencies, complete when it has .complete.
shared_environment() {
    local wanted name
    wanted=$(requirements; cat "$checkout/constraints.txt"; "$python" -VV; uname -m)
    name=$cache/venv-$(printf '%s' "$wanted" | sha256sum | cut -c1-16)
    if [ ! -e "$name/.complete" ]; then
        mkdir -p "$cache"
        (
            flock 9
            if [ ! -e "$name/.complete" ]; then
                say "bootstrap: installing the Python environment into $name"
                rm -rf "$name" # of a run that was killed
                "$python" -m venv "$name" >&2
                requirements > "$name/requirements.txt"
                "$name/bin/python" -m pip install --quiet --disable-pip-version-check \
                    --constraint "$checkout/constraints.txt" --requirement "$name/requirements.txt" >&2
                touch "$name/.complete"
            fi
        ) 9> "$cache/.venv-lock"
    fi
    printf '%s\n' "$name"
}

# The checkout's own environment: the shared one's packages, and this checkout, editable.
own_environment() {
    local shared=$1 own=$checkout/.venv stamp wanted program lock
    stamp=$own/.complete
    wanted=$(printf '%s\n' "$shared" "$checkout"; cat "$checkout/setup.cfg" "$checkout/pyproject.toml")
    lock=$cache/checkout-$(printf '%s' "$checkout" | sha256sum | cut -c1-16).lock
    (
        flock 9
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
        rm -rf "$own"
        "$shared/bin/python" -m venv --without-pip "$own" >&2
        site=$("$own/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        inherited=$("$shared/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        # addsitedir, as a plain line would not read the .pth files there.
        printf 'import site; site.addsitedir(%s)\n' "'$inherited'" > "$site/_shared.pth"
        "$own/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
            --editable "$checkout" >&2
        for program in "$shared"/bin/*; do
            [ -e "$own/bin/${program##*/}" ] || ln -s "$program" "$own/bin/${program##*/}"
        done
        printf '%s\n' "$wanted" > "$stamp"
    ) 9> "$lock"
    printf '%s\n' "$own/bin"
}

# The node image takes a minute: begin now, beside the Python install. Whoever needs it waits for it.
start_node_image() {
    [ "$(id -u)" -eq 0 ] && has mmdebstrap && [ -z "${NO_NODE_IMAGE:-}" ] || return 0
    local image
    image=$(PYTHONPATH=$checkout "$python" -m magnum_lite.local.image path) || return 0
    [ ! -e "$image" ] || return 0
    say "bootstrap: building the node image in the background"
    mkdir -p "$cache"
    PYTHONPATH=$checkout setsid "$python" -m magnum_lite.local.image build \
        < /dev/null > "$cache/node-image.log" 2>&1 &
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is not Python 3.11 or newer"
remove_policy # of a run that was killed
install_packages
if [ "$(docker_version)" -ne 0 ] && [ "$(docker_version)" -lt 2010 ]; then
    say "bootstrap: this machine's dockerd is older than 20.10; bays will not run"
fi
start_node_image
shared=$(shared_environment)
own_environment "$shared"
