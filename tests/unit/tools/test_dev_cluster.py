"""Where a cluster of a test finds its ports."""

from __future__ import annotations

import socket

from iaas.cmd import setup
from tools import dev_cluster


def test_ports_are_free_and_none_the_kernel_gives_away_meanwhile():
    offset = dev_cluster.free_offset()
    with socket.create_server(("127.0.0.1", setup.PORTS["identity.port"] + offset)):
        other = dev_cluster.free_offset()
    assert other != offset
    assert max(setup.PORTS.values()) + dev_cluster.OFFSETS[-1] < 32_768
