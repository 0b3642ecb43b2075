"""The domain XML: what must be in every guest's definition, and what no name can put there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from iaas.compute.driver import Guest, Nic, definition_of
from iaas.compute.drivers.libvirt import xml

ID = "6f1c0a52-6a3b-4d1e-9c65-0d1f7f6f8a11"
NIC = Nic("2a9d", "fa:16:3e:00:00:01", "tap2a9d", 1450)
GUEST = Guest(ID, "web-1", 2, 512, 10, "image", "raw", nics=(NIC,), config_drive=True)
DOMAIN = xml.Domain(
    guest=GUEST,
    virt_type="qemu",
    emulator="/usr/bin/qemu-system-x86_64",
    disk=xml.Disk(Path("/i/disk"), Path("/c/base.raw"), "raw"),
    config_drive=Path("/i/config.iso"),
    log=Path("/i/console.log"),
    serial=Path("/i/serial.sock"),
    screen=Path("/i/screen.sock"),
)


def tree(**fields):
    return ElementTree.fromstring(xml.build(dataclasses.replace(DOMAIN, **fields)))  # noqa: S314  our own words


def test_the_uuid_is_the_instance_and_the_name_cannot_clash():
    root = tree()
    assert root.findtext("uuid") == ID
    assert root.findtext("name") == f"iaas-{ID}"
    assert root.find(f"metadata/{{{xml.NAMESPACE}}}guest").get("name") == "web-1"


def test_sizes_carry_their_units():
    memory = tree().find("memory")
    assert (memory.text, memory.get("unit")) == ("512", "MiB")
    assert tree().findtext("vcpu") == "2"


def test_what_libvirt_answers_is_read_back_as_what_it_was_told():
    told = xml.build(DOMAIN).replace('<memory unit="MiB">512<', '<memory unit="KiB">524288<')
    found = xml.read(told)
    wanted = definition_of(GUEST, (NIC.mac,))
    assert dataclasses.replace(found, disks=wanted.disks) == wanted
    assert found.disks == {"/i/disk", "/i/config.iso"}, "the file under an overlay is no disk of the guest's"


def test_every_disk_names_its_format_and_ends_its_chain():
    for disk in tree().findall("devices/disk"):
        assert disk.find("driver").get("type") in ("raw", "qcow2")
        last = disk
        while last.find("backingStore") is not None:
            last = last.find("backingStore")
        assert last.tag == "backingStore"
        assert len(last) == 0


def test_the_base_of_an_overlay_is_named_with_its_format():
    chain = tree().find("devices/disk[@device='disk']/backingStore")
    assert chain.find("format").get("type") == "raw"
    assert chain.find("source").get("file") == "/c/base.raw"


def test_a_guest_without_disks_has_none():
    assert tree(disk=None, config_drive=None).findall("devices/disk") == []


@pytest.mark.parametrize("hostile", ["</name><evil/>", "a\"'<&>b", "\x00\x07\x1b[0m\n", "\ud800", "</domain>" * 50])
def test_no_name_of_a_guest_becomes_xml(hostile):
    root = tree(guest=dataclasses.replace(GUEST, name=hostile))
    assert root.find(".//evil") is None
    assert len(root.findall("devices")) == 1
    assert root.find(f"metadata/{{{xml.NAMESPACE}}}guest").get("name")


def test_the_tap_is_not_made_or_removed_by_libvirt():
    nic = tree().find("devices/interface")
    assert nic.get("type") == "ethernet"
    assert nic.find("target").attrib == {"dev": "tap2a9d", "managed": "no"}
    assert nic.find("mac").get("address") == "fa:16:3e:00:00:01"
    assert nic.find("mtu").get("size") == "1450"
    assert nic.find("alias").get("name") == "ua-2a9d"


def test_the_console_log_is_appended_to():
    assert tree().find("devices/serial/log").get("append") == "on"


def test_the_screen_listens_on_a_socket_and_on_no_network():
    [graphics] = tree().findall("devices/graphics")
    assert graphics.attrib == {"type": "vnc"}
    assert [listen.attrib for listen in graphics] == [{"type": "socket", "socket": "/i/screen.sock"}]


def test_only_emulated_guests_get_a_translation_cache():
    assert tree().findtext("features/tcg/tb-cache") == "16"
    assert tree(virt_type="kvm").find("features/tcg") is None
    assert tree(virt_type="kvm").get("type") == "kvm"


def test_a_cpu_mode_is_named_only_when_chosen():
    assert tree().find("cpu") is None
    assert tree(cpu_mode="host-model").find("cpu").get("mode") == "host-model"


def test_the_processor_is_read_from_the_capabilities():
    text = (
        "<capabilities><host><cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor>"
        "<topology sockets='1' cores='4' threads='2'/><feature name='sse'/><feature name='aes'/></cpu></host>"
        "</capabilities>"
    )
    assert xml.cpu_of(text) == {
        "arch": "x86_64",
        "model": "EPYC",
        "vendor": "AMD",
        "features": ["aes", "sse"],
        "topology": {"sockets": 1, "cores": 4, "threads": 2},
    }
    assert xml.cpu_of("<capabilities><host/></capabilities>") == {}
