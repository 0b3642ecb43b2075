#!/bin/sh
# Install what is missing on this host, for: guests (QEMU, libvirt, DHCP, the guest image), servers (RabbitMQ,
# MariaDB, PostgreSQL, for the tests of the separate daemons).  Without root or apt it says what is missing and
# goes on: the cloud then uses its fake hypervisor, and the tests that need more are skipped, loudly.
set -eu
cd "$(dirname "$0")/.."
GUESTS="qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libvirt-dev pkg-config gcc
  dnsmasq-base iptables nftables ipset conntrack iproute2 iputils-ping openssh-client
  kmod mtools dosfstools e2fsprogs syslinux syslinux-common"
SERVERS="rabbitmq-server mariadb-server postgresql"
want=
for set in "${@:-guests}"; do
    case $set in
        guests) want="$want $GUESTS" ;;
        servers) want="$want $SERVERS" ;;
        *) echo "usage: $0 [guests] [servers]" >&2; exit 2 ;;
    esac
done
missing=
for package in $want; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "NOT INSTALLED on this host (root and apt are needed):$missing" >&2
        echo "real guests and the tests that need them are left out" >&2
        exit 0
    fi
    echo "installing packages of the system:$missing"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then  # no package script starts a daemon on this host
        printf '#!/bin/sh\nexit 101\n' > $policy
        chmod 755 $policy
        trap 'rm -f $policy' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null || echo "apt-get update failed; trying with the lists that are there" >&2
    # shellcheck disable=SC2086
    if ! apt-get install -qy --no-install-recommends $missing >/tmp/iaas-apt.$$ 2>&1; then
        tail -n 20 /tmp/iaas-apt.$$ >&2
        echo "some packages could not be installed; what needs them is left out" >&2
    fi
    rm -f /tmp/iaas-apt.$$
fi
if pkg-config --exists libvirt 2>/dev/null && ! .venv/bin/python -c 'import libvirt' 2>/dev/null; then
    .venv/bin/pip install -q --disable-pip-version-check -e '.[libvirt]' 2>&1 | grep -v '^WARNING: Location' || true
fi
