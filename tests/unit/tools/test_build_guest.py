"""The guest builder without building: formats it writes, what it reads from apt and depmod, cache, errors."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"
SCRIPTS = sorted(
    path for path in (TOOLS / "guest/root").rglob("*") if path.is_file() and path.read_bytes()[:2] == b"#!"
)
if str(TOOLS) not in sys.path:
    sys.path.insert(0, str(TOOLS))
build_guest = importlib.import_module("build_guest")
cpio, disk, host, packages, rootfs = (
    importlib.import_module(f"guest.{name}") for name in ("cpio", "disk", "host", "packages", "rootfs")
)


def entries(archive: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and data of each entry of a newc archive, read as the kernel does."""
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        start = (at + 110 + fields[11] + 3) & ~3
        if name == "TRAILER!!!":
            return
        yield name, fields[1], archive[start : start + fields[6]]
        at = (start + fields[6] + 3) & ~3


def test_an_archive_holds_files_links_folders_and_devices_with_their_modes(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_bytes(b"odd")
    (tmp_path / "bin/tool").chmod(0o755)
    (tmp_path / "init").symlink_to("bin/tool")
    archive = cpio.Archive()
    archive.add_tree(tmp_path)
    archive.add_device("console", 5, 1)
    found = {name: (mode, data) for name, mode, data in entries(archive.finish())}
    assert list(found) == ["bin", "bin/tool", "init", "console"]
    assert stat.S_ISDIR(found["bin"][0])
    assert found["bin/tool"] == (stat.S_IFREG | 0o755, b"odd")
    assert found["init"] == (stat.S_IFLNK | 0o777, b"bin/tool")
    assert found["console"] == (stat.S_IFCHR | 0o600, b"")


def test_an_archive_of_the_same_tree_is_the_same_bytes(tmp_path: Path) -> None:
    archives = []
    for copy in ("one", "two"):
        (tmp_path / copy / "etc").mkdir(parents=True)
        (tmp_path / copy / "etc/file").write_text("text")
        archive = cpio.Archive()
        archive.add_tree(tmp_path / copy)
        archives.append(archive.finish())
    assert archives[0] == archives[1]


def test_the_boot_record_says_where_the_partitions_are() -> None:
    record = disk.boot_record(
        b"code", [disk.Partition(0x0E, 1, 20, active=True), disk.Partition(0x83, 21, disk.DISK_MB - 21)]
    )
    assert len(record) == 512
    assert record[:5] == b"code\0"
    assert record[510:] == b"\x55\xaa"
    rows = [struct.unpack_from("<B3xB3xII", record, 446 + 16 * i) for i in range(4)]
    assert rows == [
        (0x80, 0x0E, 2048, 40960),
        (0, 0x83, 43008, (disk.DISK_MB - 21) * 2048),
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("code", "partition"),
    [(b"x" * 441, (0x83, 1, 1)), (b"", (0x83, 1, disk.DISK_MB)), (b"", (0x83, 70, -6))],
    ids=["too much code", "beyond the end", "no room left"],
)
def test_a_boot_record_that_cannot_be_is_refused(code: bytes, partition: tuple[int, int, int]) -> None:
    with pytest.raises(host.BuildError):
        disk.boot_record(code, [disk.Partition(*partition)])


def test_what_apt_would_fetch_is_read_with_epoch_and_checksum() -> None:
    listing = (
        "'http://deb.example/b.deb' busybox-static_1%3a1.35.0-4+u1_amd64.deb 9 SHA256:aa\n"
        "'http://deb.example/a/a_2_amd64.deb' a_2_amd64.deb 7 SHA256:bb\n"
    )
    assert packages.parse_uris(listing) == [
        packages.Package("a", "2", "a_2_amd64.deb", "bb"),
        packages.Package("busybox-static", "1:1.35.0-4+u1", "busybox-static_1%3a1.35.0-4+u1_amd64.deb", "aa"),
    ]


def test_apt_is_asked_in_an_empty_folder_because_it_leaves_out_what_lies_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apt(argv: list[str], cwd: Path) -> str:
        assert not list(cwd.iterdir())
        return "'http://deb.example/a.deb' a_2_amd64.deb 7 SHA256:bb\n"

    (tmp_path / "a_2_amd64.deb").write_bytes(b"deb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "run", apt)
    assert [package.name for package in packages.resolve(["a"])] == ["a"]


def test_a_package_apt_is_silent_about_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "run", lambda argv, cwd=None: "")
    with pytest.raises(host.BuildError, match="fetch some-kernel"):
        packages.resolve(["some-kernel"])


def test_a_package_without_a_good_checksum_is_refused() -> None:
    with pytest.raises(host.BuildError, match=r"no SHA256 for a_2_amd64\.deb, but MD5Sum"):
        packages.parse_uris("'http://deb.example/a_2_amd64.deb' a_2_amd64.deb 7 MD5Sum:bb\n")


def test_packages_that_are_there_and_whole_are_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a_1_amd64.deb").write_bytes(b"deb")
    digest = hashlib.sha256(b"deb").hexdigest()
    assert packages.fetch([packages.Package("a", "1", "a_1_amd64.deb", digest)], tmp_path) == 0


def test_a_driver_is_found_with_what_it_needs_however_its_name_is_spelt() -> None:
    needs = rootfs.read_dependencies("kernel/a/virtio-rng.ko: kernel/v/virtio.ko\nkernel/v/virtio.ko.xz:\n")
    assert needs == {
        "virtio_rng": ["kernel/a/virtio-rng.ko", "kernel/v/virtio.ko"],
        "virtio": ["kernel/v/virtio.ko.xz"],
    }


def test_missing_tools_are_named_with_the_command_that_brings_them() -> None:
    with pytest.raises(host.BuildError) as caught:
        host.check_needed({"no-such-tool": "some-package", "/no/such/file": "other-package", "sh": "dash"})
    text = str(caught.value)
    assert "missing: /no/such/file, no-such-tool" in text
    assert "apt-get install --no-install-recommends other-package some-package" in text


def test_a_failing_program_is_reported_with_what_it_said() -> None:
    with pytest.raises(host.BuildError, match=r"ended with 3: too bad"):
        host.run(["sh", "-c", "echo too bad >&2; exit 3"])


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder as a build leaves it."""
    files = {}
    for name in build_guest.OUTPUTS:
        (tmp_path / name).write_text(name)
        files[name] = {"sha256": hashlib.sha256(name.encode()).hexdigest(), "bytes": len(name)}
    manifest = {"recipe": build_guest.recipe(), "kernel_package": build_guest.KERNEL, "files": files}
    (tmp_path / build_guest.MANIFEST).write_text(json.dumps(manifest))
    return tmp_path


def test_a_second_run_finds_everything_there(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_guest.main([str(finished)]) == 0
    assert capsys.readouterr().out == f"the guest is in {finished} already\n"


@pytest.mark.parametrize("name", build_guest.OUTPUTS)
def test_a_damaged_or_missing_file_is_built_again(finished: Path, name: str) -> None:
    assert build_guest.is_current(finished, build_guest.KERNEL)
    (finished / name).write_text("damaged")
    assert not build_guest.is_current(finished, build_guest.KERNEL)
    (finished / name).unlink()
    assert not build_guest.is_current(finished, build_guest.KERNEL)


def test_another_kernel_or_recipe_or_a_broken_manifest_is_not_current(finished: Path) -> None:
    assert not build_guest.is_current(finished, "linux-image-other")
    path = finished / build_guest.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "recipe": "of yesterday"}))
    assert not build_guest.is_current(finished, build_guest.KERNEL)
    path.write_text("[]")
    assert not build_guest.is_current(finished, build_guest.KERNEL)


def test_a_machine_without_the_tools_is_told_so_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "find", lambda program: None)
    assert build_guest.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("the guest was not built: missing: ")
    assert "mtools" in said
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_guests_scripts_are_programs_without_syntax_errors(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.skipif(shutil.which("busybox") is None, reason="the guest's awk is busybox's")
def test_the_guest_reads_json_values_by_their_path() -> None:
    document = {
        "name": 'a "b" \\ / c',
        "public_keys": {"k": "ssh-rsa AAAA me\n"},
        "keys": [{"name": "k"}, {"name": "l"}],
        "empty": {},
        "none": [],
        "flags": [1, [True, None], "x,y:{z}"],
        "hostname": "last",
    }
    program = TOOLS / "guest/root/lib/guest/flatten.awk"
    for indent in (None, 2):
        argv = ["busybox", "awk", "-f", str(program)]
        text = json.dumps(document, indent=indent)
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=True)
        assert dict(line.split("\t", 1) for line in done.stdout.splitlines()) == {
            "name": 'a "b" \\ / c',
            "public_keys.k": r"ssh-rsa AAAA me\n",
            "keys.0.name": "k",
            "keys.1.name": "l",
            "flags.0": "1",
            "flags.1.0": "true",
            "flags.1.1": "null",
            "flags.2": "x,y:{z}",
            "hostname": "last",
        }
