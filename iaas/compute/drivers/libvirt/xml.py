"""The domain XML of a guest, built from values by an element tree: pure functions, nothing is formatted.

Every disk names its format, and the chain of backing files is written out, so that nothing on this host ever
guesses a format from bytes a guest can write.  Source: https://libvirt.org/formatdomain.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from iaas.compute.driver import Definition, Guest, Nic

NAMESPACE = "urn:iaas:guest:1"
NAME_PREFIX = "iaas-"
KIB_IN_MIB = 1024
TCG_CACHE_MIB = 16  # QEMU's own default costs 60 MB more for each guest and gains nothing here
UNPRINTABLE = re.compile("[^\\x20-\\x7e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ElementTree.register_namespace("iaas", NAMESPACE)


@dataclass(frozen=True)
class Disk:
    """A qcow2 overlay of ours and, if it was made from an image, the image's cached file."""

    path: Path
    base: Path | None = None
    base_format: str | None = None


@dataclass(frozen=True)
class Domain:
    """All that decides the XML of one guest."""

    guest: Guest
    virt_type: str
    emulator: str
    disk: Disk | None
    config_drive: Path | None
    log: Path
    serial: Path
    screen: Path
    machine: str = "pc"
    cpu_mode: str = ""
    disk_cache: str = "writeback"


def name_of(guest_id: str) -> str:
    """Return libvirt's name for a guest: unique because the id is."""
    return NAME_PREFIX + guest_id


def build(domain: Domain) -> str:
    """Return the domain XML."""
    root = ElementTree.Element("domain", type=domain.virt_type)
    guest = domain.guest
    _text(root, "name", name_of(guest.id))
    _text(root, "uuid", guest.id)
    _metadata(root, guest)
    _text(root, "memory", str(guest.memory_mb), unit="MiB")
    _text(root, "vcpu", str(guest.vcpus))
    _system(root, domain)
    _features(root, domain)
    if domain.cpu_mode:
        _add(root, "cpu", mode=domain.cpu_mode)
    _add(root, "clock", offset="utc")
    _text(root, "on_poweroff", "destroy")
    _text(root, "on_reboot", "restart")
    _text(root, "on_crash", "destroy")
    _devices(root, domain)
    return ElementTree.tostring(root, encoding="unicode")


def read(text: str) -> Definition:
    """Return what libvirt's XML of a domain of ours says; ``disks`` are paths."""
    root = ElementTree.fromstring(text)  # noqa: S314  libvirt's own words
    sources = [source for disk in root.iterfind("./devices/disk") for source in disk.findall("source")]
    return Definition(
        vcpus=int(root.findtext("vcpu", "0")),
        memory_mb=int(root.findtext("memory", "0")) // KIB_IN_MIB,  # it answers in KiB, though it is told MiB
        disks=frozenset(source.get("file") or source.get("dev") or "another kind" for source in sources),
        macs=frozenset(mac.get("address", "") for mac in root.iterfind("./devices/interface/mac")),
    )


def cpu_of(capabilities_xml: str) -> dict[str, object]:
    """Return the host's processor as the hypervisors API shows it, from libvirt's capabilities."""
    cpu = ElementTree.fromstring(capabilities_xml).find("./host/cpu")  # noqa: S314  libvirt's own words
    if cpu is None:
        return {}
    topology = cpu.find("topology")
    return {
        "arch": cpu.findtext("arch", ""),
        "model": cpu.findtext("model", ""),
        "vendor": cpu.findtext("vendor", ""),
        "features": sorted(feature.get("name", "") for feature in cpu.findall("feature")),
        "topology": {name: int(value) for name, value in topology.items()} if topology is not None else {},
    }


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _text(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    _add(parent, tag, **attributes).text = text


def _metadata(root: ElementTree.Element, guest: Guest) -> None:
    """Our mark: guests without it are not ours."""
    holder = _add(root, "metadata")
    name = UNPRINTABLE.sub("\ufffd", guest.name)
    ElementTree.SubElement(holder, f"{{{NAMESPACE}}}guest", {"id": guest.id, "name": name})


def _system(root: ElementTree.Element, domain: Domain) -> None:
    system = _add(root, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=domain.machine)
    _add(system, "boot", dev="hd")
    _add(system, "smbios", mode="sysinfo")
    info = _add(root, "sysinfo", type="smbios")
    table = _add(info, "system")
    # cloud-init looks for a metadata service where the product has this name
    _text(table, "entry", "OpenStack Compute", name="product")
    _text(table, "entry", "iaas", name="manufacturer")
    _text(table, "entry", domain.guest.id, name="serial")
    _text(table, "entry", domain.guest.id, name="uuid")


def _features(root: ElementTree.Element, domain: Domain) -> None:
    features = _add(root, "features")
    _add(features, "acpi")
    _add(features, "apic")
    if domain.virt_type == "qemu":
        _text(_add(features, "tcg"), "tb-cache", str(TCG_CACHE_MIB), unit="MiB")


def _devices(root: ElementTree.Element, domain: Domain) -> None:
    devices = _add(root, "devices")
    _text(devices, "emulator", domain.emulator)
    if domain.disk:
        _disk(devices, domain.disk, domain.disk_cache)
    if domain.config_drive:
        _cdrom(devices, domain.config_drive)
    for nic in domain.guest.nics:
        _nic(devices, nic)
    _serial(devices, domain)
    # a screen has no password: it listens on a socket only the host's agent can reach, and on no network
    _add(_add(devices, "graphics", type="vnc"), "listen", type="socket", socket=str(domain.screen))
    _add(_add(devices, "video"), "model", type="vga")
    _text(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    _add(devices, "memballoon", model="virtio")
    _add(devices, "controller", type="usb", model="none")


def _disk(devices: ElementTree.Element, disk: Disk, cache: str) -> None:
    element = _add(devices, "disk", type="file", device="disk")
    _add(element, "driver", name="qemu", type="qcow2", cache=cache, discard="unmap")
    _add(element, "source", file=str(disk.path))
    chain = _add(element, "backingStore")  # an empty one ends the chain: nothing is probed
    if disk.base and disk.base_format:
        chain.set("type", "file")
        _add(chain, "format", type=disk.base_format)
        _add(chain, "source", file=str(disk.base))
        _add(chain, "backingStore")
    _add(element, "target", dev="vda", bus="virtio")


def _cdrom(devices: ElementTree.Element, path: Path) -> None:
    element = _add(devices, "disk", type="file", device="cdrom")
    _add(element, "driver", name="qemu", type="raw")
    _add(element, "source", file=str(path))
    _add(element, "backingStore")
    _add(element, "target", dev="hda", bus="ide")
    _add(element, "readonly")


def _nic(devices: ElementTree.Element, nic: Nic) -> None:
    element = _add(devices, "interface", type="ethernet")
    _add(element, "mac", address=nic.mac)
    _add(element, "target", dev=nic.tap, managed="no")  # the tap is there, filtered, before the guest is
    _add(element, "model", type="virtio")
    _add(element, "mtu", size=str(nic.mtu))
    _add(element, "alias", name=f"ua-{nic.port_id}")


def _serial(devices: ElementTree.Element, domain: Domain) -> None:
    """One port, two readers: a socket for the interactive console and a log that restarts do not truncate."""
    element = _add(devices, "serial", type="unix")
    _add(element, "source", mode="bind", path=str(domain.serial))
    _add(element, "log", file=str(domain.log), append="on")
    _add(element, "target", port="0")
