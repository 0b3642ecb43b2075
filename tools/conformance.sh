#!/usr/bin/env bash
# The suites others wrote, unmodified, against a cloud of its own (iaas-all, fake hypervisor).
#
#   tools/conformance.sh [middleware|compute|smoke|identity|image|keystone-plugin|ec2|nova|cinder|glance|keystone ...]
#
# Without names: all of them.  CONF_SUITES: where the suites are (../shared/conformance); CONF_HOME: the environment
# they run in, made by pip when it is missing (.conformance); CONF_CLOUD=DIR: a running cloud's folder to use instead.
# Exit: 0 all passed, 1 something failed, 77 it cannot be run here (the reason is on standard error).
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
suites=${CONF_SUITES:-$root/../shared/conformance}
export CONF_HOME=${CONF_HOME:-$root/.conformance}
cannot() { echo "CONFORMANCE NOT RUN: $*" >&2; exit 77; }
[ -f "$suites/clients/keystone_middleware.py" ] || cannot "there are no suites in $suites (set CONF_SUITES)"
[ $# -gt 0 ] || set -- middleware compute smoke identity image keystone-plugin ec2 nova cinder glance keystone

# -- the environment: a small one is enough for the middleware ------------------------------------------------
pip() { "$CONF_HOME/bin/pip" -q --disable-pip-version-check "$@" 2>&1 | grep -v '^WARNING: Location'; return "${PIPESTATUS[0]}"; }
[ -x "$CONF_HOME/bin/python" ] || "${PYTHON:-python3}" -m venv "$CONF_HOME" || cannot "no venv could be made in $CONF_HOME"
if ! "$CONF_HOME/bin/python" -c 'import keystonemiddleware, openstack, webob, oslo_policy, botocore' 2>/dev/null; then
    pip install -c "$suites/constraints.txt" keystonemiddleware oslo.policy webob openstacksdk botocore \
        || cannot "pip cannot install keystonemiddleware"
fi
if [ "$*" != middleware ] && [ ! -x "$CONF_HOME/bin/tempest" ]; then
    "$suites/setup.sh" || cannot "the suites' setup.sh failed"
fi

# -- the cloud -----------------------------------------------------------------------------------------------------
if [ -n "${CONF_CLOUD:-}" ]; then
    cloud=$CONF_CLOUD
else
    cloud=$(mktemp -d)
    offset=$("$root/.venv/bin/python" -c "import sys; sys.path.insert(0, '$root'); from tools import dev_cluster; print(dev_cluster.free_offset())")
    "$root/.venv/bin/iaas-all" --state-dir "$cloud" --port-offset "$offset" --compute-driver fake > "$cloud/out" 2>&1 &
    pid=$!
    # shellcheck disable=SC2064  # the names of now
    trap "kill $pid 2>/dev/null; wait $pid; rm -rf '$cloud'" EXIT
    for _ in $(seq 300); do
        grep -q '^ready' "$cloud/out" && break
        kill -0 "$pid" 2>/dev/null || { cat "$cloud/out" >&2; exit 1; }
        sleep 0.2
    done
    grep -q '^ready' "$cloud/out" || { echo "the cloud did not start" >&2; exit 1; }
fi
for name in ${!OS_*}; do unset "$name"; done
# shellcheck disable=SC1091
. "$cloud/openrc"

# -- the rods --------------------------------------------------------------------------------------------------------
worst=0
run() { echo "== $1"; shift; "$@" || worst=1; }
tempest() { CONF_OVERLAYS=fake-hypervisor.conf run "$1" "$suites/run_tempest.sh" "$suites/$2"; }
for rod in "$@"; do
    case $rod in
    middleware) run middleware env -C "$suites/clients" PYTHONDONTWRITEBYTECODE=1 "$CONF_HOME/bin/python" keystone_middleware.py ;;
    compute) tempest compute interop/compute-required.txt ;;
    smoke) tempest smoke lists/tempest-smoke.txt ;;
    identity) tempest identity lists/tempest-api-identity.txt ;;
    image) tempest image lists/tempest-api-image.txt ;;
    keystone-plugin) tempest keystone-plugin lists/plugin-keystone-api.txt ;;
    ec2) tempest ec2 lists/plugin-ec2api-api.txt ;;
    nova | cinder | glance | keystone) run "$rod" "$suites/run_external.sh" "$rod" ;;
    *) echo "unknown rod $rod" >&2; exit 2 ;;
    esac
done
exit $worst
