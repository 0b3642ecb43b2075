"""The guest's root file system: our files, busybox, dropbear and its libraries, drivers."""

from __future__ import annotations

import lzma
import re
import shutil
from pathlib import Path

from guest import cpio, host

OVERLAY = Path(__file__).parent / "root"
EMPTY = (
    "data",
    "dev",
    "etc/dropbear",
    "lib/modules",
    "mnt",
    "proc",
    "root/.ssh",
    "run",
    "sys",
    "tmp",
    "var/log",
    "var/run",
)
MODES = {"etc/shadow": 0o600, "root": 0o700, "root/.ssh": 0o700, "tmp": 0o1777}
# The kernel runs /init; it looks for modprobe in /sbin when it needs a file system.
LINKS = {"init": "bin/busybox", "sbin/modprobe": "../bin/busybox"}
# Programs that would be found before ours of the same name.
OURS = {"busybox", "poweroff", "reboot", "halt"}

PARAVIRTUAL = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_scsi",
    "virtio_balloon",
    "virtio_console",
    "virtio_rng",
)
POWER_BUTTON = ("button", "evdev")
IDE_AND_SATA = ("ata_piix", "ahci", "sd_mod", "sr_mod")
CONFIG_DRIVE = ("isofs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "nls_iso8859_1")
DRIVERS = PARAVIRTUAL + POWER_BUTTON + IDE_AND_SATA + CONFIG_DRIVE
# Not in every kernel: Debian's cloud kernel has no SATA, some kernels have no such code page as a module.
OPTIONAL = {"ahci", "nls_ascii", "nls_iso8859_1"}


def lay_out(tree: Path, kernel: str, root: Path) -> list[str]:
    """Fill `root` from the unpacked packages in `tree`; returns the drivers that are in as modules."""
    shutil.copytree(OVERLAY, root, symlinks=True)
    for name in EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    _add_busybox(tree, root)
    _add_dropbear(tree, root)
    modules = _add_modules(tree, kernel, root)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    _set_modes(root)
    return modules


def pack(root: Path) -> bytes:
    """The file system as an uncompressed initramfs archive, with the console the kernel gives to /init."""
    archive = cpio.Archive()
    archive.add_tree(root)
    archive.add_device("dev/console", *cpio.CONSOLE)
    return archive.finish()


def _set_modes(root: Path) -> None:
    """Whatever the umask of the check-out was: programs 755, the rest 644, and the exceptions."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
    for name, mode in MODES.items():
        (root / name).chmod(mode)


def _add_busybox(tree: Path, root: Path) -> None:
    busybox = root / "bin/busybox"
    shutil.copy2(tree / "bin/busybox", busybox)
    for applet in host.run([busybox, "--list"]).split():
        link = root / "bin" / applet
        if applet not in OURS and not link.exists():
            link.symlink_to("busybox")


def _add_dropbear(tree: Path, root: Path) -> None:
    """The server, and the libraries its own loader finds for it in the unpacked packages."""
    shutil.copy2(tree / "usr/sbin/dropbear", root / "sbin/dropbear")
    directories = [tree / "lib/x86_64-linux-gnu", tree / "usr/lib/x86_64-linux-gnu"]
    loader = directories[0] / "ld-linux-x86-64.so.2"
    path = ":".join(str(directory) for directory in directories)
    listing = host.run([loader, "--inhibit-cache", "--library-path", path, "--list", root / "sbin/dropbear"])
    if "not found" in listing:
        raise host.BuildError(f"dropbear lacks a library:\n{listing}")
    library_root = root / "lib/x86_64-linux-gnu"
    library_root.mkdir(parents=True)
    for found in re.findall(r"=> (/\S+) ", listing):
        if not Path(found).is_relative_to(tree):
            raise host.BuildError(f"dropbear would take {found} of this machine, not of its own packages")
        shutil.copy(found, library_root)
    (root / "lib64").mkdir()
    shutil.copy(loader, root / "lib64" / loader.name)


def _add_modules(tree: Path, kernel: str, root: Path) -> list[str]:
    """Our drivers and what they depend on, and the index by which modprobe finds them."""
    source, target = tree / "lib/modules" / kernel, root / "lib/modules" / kernel
    host.run(["depmod", "-b", tree, kernel])
    needs = read_dependencies((source / "modules.dep").read_text())
    built_in = {module_name(line) for line in (source / "modules.builtin").read_text().splitlines()}
    missing = set(DRIVERS) - set(needs) - built_in - OPTIONAL
    if missing:
        raise host.BuildError(f"kernel {kernel} has no driver {', '.join(sorted(missing))}")
    chosen = [name for name in DRIVERS if name in needs]
    for relative in sorted({path for name in chosen for path in needs[name]}):
        place = target / relative.removesuffix(".xz")
        place.parent.mkdir(parents=True, exist_ok=True)
        data = (source / relative).read_bytes()
        place.write_bytes(lzma.decompress(data) if relative.endswith(".xz") else data)
    for index in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(source / index, target)
    host.run(["depmod", "-b", root, kernel])
    for path in target.glob("modules.*"):  # busybox reads these two only
        if path.name not in ("modules.dep", "modules.alias"):
            path.unlink()
    return chosen


def read_dependencies(modules_dep: str) -> dict[str, list[str]]:
    """Module name -> its file and the files it needs, from the text of modules.dep."""
    needs = {}
    for line in modules_dep.splitlines():
        path, _, others = line.partition(":")
        needs[module_name(path)] = [path, *others.split()]
    return needs


def module_name(path: str) -> str:
    """virtio_rng, from kernel/drivers/char/hw_random/virtio-rng.ko: the kernel does not tell - from _."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")
