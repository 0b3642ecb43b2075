"""Console logs, guests' folders, and who may enter where."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from iaas.compute.driver import Guest, HypervisorError
from iaas.compute.drivers.libvirt import console, private, reaper, selftest
from iaas.compute.drivers.libvirt.disks import InstanceFolder
from iaas.compute.drivers.libvirt.imagecache import ImageCache


def test_a_log_is_read_from_its_end(tmp_path):
    log = tmp_path / "log"
    assert console.tail(log, 10) == b""
    log.write_bytes(b"0123456789")
    assert console.tail(log, 3) == b"789"
    assert console.tail(log, 100) == b"0123456789"
    assert console.tail(log, 0) == b""


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "log").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        console.tail(tmp_path / "log", 10)
    with pytest.raises(OSError, match="symbolic links"):
        console.trim(tmp_path / "log", 1)
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_trimmed_log_goes_on_growing_at_its_new_end(tmp_path):
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as guest:
        guest.write(b"a" * 1000 + b"b" * 500)
        assert console.trim(log, 1000)
        guest.write(b"c")
        assert log.read_bytes() == b"b" * 500 + b"c"
    assert not console.trim(log, 1000)


@pytest.mark.parametrize("guest_id", ["", "..", "../x", "a/b", "6F1C0A52-6A3B-4D1E-9C65-0D1F7F6F8A11", "x" * 36])
def test_only_an_instance_id_names_a_folder(tmp_path, guest_id):
    with pytest.raises(HypervisorError):
        InstanceFolder(tmp_path, guest_id, "nobody")


def test_the_paths_of_console_sockets_fit_wherever_the_folders_are():
    folder = InstanceFolder(Path("/" + "x" * 200), str(uuid.uuid4()), "nobody")
    assert all(len(str(path)) <= 107 for path in (folder.serial, folder.screen))
    assert folder.serial != folder.screen


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="disks are NOT tested: no qemu-img")
def test_a_disk_that_is_there_is_kept_and_a_config_drive_is_written_anew(tmp_path):
    cache = ImageCache(tmp_path / "c", 1 << 30, tmp_path / "i")
    cache.sweep()
    guest = Guest(str(uuid.uuid4()), "n", 1, 64, 1, None, None, config_drive=True)
    folder = InstanceFolder(tmp_path / "i", guest.id, "no-such-user")
    folder.make(guest, None, b"one", cache)
    (folder.path / "left.part").write_bytes(b"half")
    with folder.disk.open("r+b") as disk:
        disk.seek(100_000)
        disk.write(b"written by the guest")
    before = folder.disk.read_bytes()
    folder.make(guest, None, b"two", cache)
    assert folder.disk.read_bytes() == before
    assert folder.config_drive.read_bytes() == b"two"
    assert not list(folder.path.glob("*.part"))
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders of other users")
def test_the_topmost_closed_folder_is_found():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        top = Path(name)
        top.chmod(0o755)
        closed = top / "home"
        (closed / "a").mkdir(parents=True)
        (top / "open").mkdir()
        closed.chmod(0o700)
        assert private.closed_folder([closed / "a", top / "open"], "nobody") == closed
        assert private.closed_folder([top / "open"], "nobody") is None
        assert private.closed_folder([closed / "a"], "root") is None


def test_two_closed_folders_are_a_sentence(monkeypatch):
    places = iter([Path("/a"), Path("/b")])
    monkeypatch.setattr(private, "_first_closed", lambda *_: next(places))
    with pytest.raises(HypervisorError, match=r"chmod o\+x: /a, /b"):
        private.closed_folder([Path("/a/1"), Path("/b/1")], "nobody")


def test_the_reaper_stays_for_orphans_and_passes_the_exit_code_on(tmp_path):
    script = f"(sleep 0.3; echo done > {tmp_path}/orphan) & exit 7"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-I", "-S", reaper.__file__, "bash", "-c", script], check=False)
    assert done.returncode == 7
    assert time.monotonic() - began >= 0.3
    assert (tmp_path / "orphan").exists()


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="the sector is NOT checked: no binutils")
def test_the_self_test_sector_is_what_its_source_says(tmp_path):
    source = Path(selftest.__file__).with_name("selftest.S")
    subprocess.run(["as", "--64", "-o", "s.o", source], cwd=tmp_path, check=True)
    link = [
        "ld",
        "-m",
        "elf_x86_64",
        "-Ttext",
        "0x7c00",
        "--oformat",
        "binary",
        "-e",
        "0x7c00",
        "-o",
        "s.bin",
        "s.o",
    ]
    subprocess.run(link, cwd=tmp_path, check=True)
    assert (tmp_path / "s.bin").read_bytes() == selftest.SECTOR
    assert len(selftest.disk_image()) == selftest.DISK_BYTES
