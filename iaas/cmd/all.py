"""`iaas-all`: the whole cloud in one process, with everything it owns in one folder."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

import os
import sys
from pathlib import Path

from iaas.cmd import admin, daemon, embedded, parts
from iaas.common import conf, errors, log, shell
from iaas.common.rest import wire

SUMMARY = """\
Run the whole cloud in one process: identity, image, compute, EC2, network and volume APIs, metadata, scheduler and
workers, on SQLite files and an in-memory queue.  Everything it owns is under --state-dir, which is filled when it
is empty.  It prints `ready <identity URL>` when the first request would be served and stops cleanly on SIGTERM.
"""


def main() -> None:
    os.umask(0o077)
    parser = daemon.options("iaas-all", SUMMARY)
    parser.add_argument("--state-dir", type=Path, required=True, help="the folder that holds all of this cloud")
    parser.add_argument("--port-offset", type=int, default=0, help="add this number to every port")
    parser.add_argument(
        "--compute-driver",
        choices=["fake", "libvirt"],
        help="hypervisor to use; without it, libvirt where it works and fake where it does not",
    )
    args = parser.parse_args()
    state_dir = args.state_dir.resolve()
    try:
        lock = embedded.lock(state_dir)
        driver = args.compute_driver or _best_driver()
        if not embedded.is_current(state_dir, args.port_offset, driver):
            _prepare(state_dir, args.port_offset, driver)
        settings = conf.load([state_dir / "iaas.conf", *(args.config_file or [])], args.set)
        log.setup(settings.log.level, settings.log.format, settings.log.file or str(state_dir / "iaas.log"))
        url = wire.public_url(settings, settings.identity.port) + "/v3"
        served = admin.around("iaas-all", settings, parts.everything(settings))
        daemon.run(served, lambda: print(f"ready {url}", flush=True))
        os.close(lock)
    except errors.IaasError as error:
        print(f"iaas-all: {error}", file=sys.stderr)
        sys.exit(1)


def _best_driver() -> str:
    """Return ``libvirt`` on a host that has what a real guest needs, else ``fake``, and say what is missing."""
    missing = []
    if os.geteuid() != 0:
        missing.append("root (for network namespaces)")
    for program in ("qemu-system-x86_64", "qemu-img", "libvirtd", "dnsmasq", "iptables", "ip"):
        try:
            shell.which(program)
        except shell.CommandMissing:
            missing.append(program)
    try:
        __import__("libvirt")
    except ImportError:
        missing.append("python: libvirt")
    if not missing:
        return "libvirt"
    print(f"iaas-all: no real guests here, missing: {', '.join(missing)}; the fake hypervisor is used", file=sys.stderr)
    return "fake"


def _prepare(state_dir: Path, port_offset: int, driver: str) -> None:
    words = ["-m", "iaas.cmd.embedded", str(state_dir), str(port_offset), driver]
    done = shell.run([sys.executable, *words], timeout=120, check=False, env={"IAAS_RUNTIME": "threads"})
    if done.code != 0:
        raise errors.Unavailable(reason=done.err.decode(errors="replace").strip() or "preparing the cloud failed")


if __name__ == "__main__":
    main()
