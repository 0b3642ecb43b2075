"""`make cloud` as a new user sees it: a real guest that answers ssh, found again after a restart, and removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import dev_cluster

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = ("qemu-system-x86_64", "qemu-img", "libvirtd", "dnsmasq", "iptables", "nft", "ip", "ssh", "syslinux")

pytestmark = pytest.mark.host


@pytest.fixture
def state_dir(tmp_path):
    """A folder for a cloud that is removed from this host afterwards, whatever happened."""
    missing = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"REAL GUESTS ARE NOT TESTED HERE: needs root and {', '.join(missing) or 'nothing else'}")
    folder = tmp_path / "cloud"
    yield folder
    if folder.exists():
        subprocess.run([sys.executable, "-m", "iaas.cmd.destroy", folder], cwd=ROOT, timeout=120, check=True)


def make_cloud(state_dir: Path) -> str:
    words = [sys.executable, ROOT / "tools/make_cloud.py", "--state-dir", state_dir, "--once"]
    words += ["--port-offset", str(dev_cluster.free_offset())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=420, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_real_guest_answers_ssh_and_is_found_again_and_removed(state_dir):
    first = make_cloud(state_dir)
    assert "GUEST: ready hostname=first" in first
    assert "GUEST: keys 1" in first
    assert "Linux first" in first
    again = make_cloud(state_dir)
    assert "Linux first" in again
    done = subprocess.run(
        [sys.executable, "-m", "iaas.cmd.destroy", state_dir], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "1 guests" in done.stdout, done.stdout + done.stderr
    assert not state_dir.exists()
    assert str(state_dir) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
