#!/usr/bin/env python3
"""The floor of an image upload on this machine: a bare socket, hashlib, write and threads, and nothing of ours.

One process sends over loopback; this one receives into a ring of buffers, and three threads make MD5 and SHA-512 of
them and write them to a file.  No HTTP, no inspection, no database.  Above it, `make bench` says what the cloud does.

    .venv/bin/python tools/bench/floor.py --rounds 10
"""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools import arguments

MIB = 1 << 20
BATCH, BUFFERS, PIECE = 2 * MIB, 4, MIB // 16
SENDER = """
import os, socket, sys
block = os.urandom(1 << 20)
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as peer:
    for _ in range(int(sys.argv[2])):
        peer.sendall(block)
    peer.recv(1)
"""


class Lane:
    """One step, done of each batch in order by a thread."""

    def __init__(self, step: Callable[[memoryview], object]) -> None:
        self.room = threading.Semaphore(BUFFERS - 1)
        self.batches: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._step = step
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def put(self, batch: memoryview) -> None:
        self.room.acquire()
        self.batches.put(batch)

    def finish(self) -> None:
        self.batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self.batches.get()) is not None:
            self._step(batch)
            self.room.release()


def receive(peer: socket.socket, size: int, lanes: list[Lane]) -> None:
    """Receive ``size`` bytes and give them to every lane, batch by batch."""
    ring = [memoryview(bytearray(BATCH)) for _ in range(BUFFERS)]
    left, number = size, 0
    while left:
        buffer, filled = ring[number % BUFFERS], 0
        while filled < min(BATCH, left):
            filled += peer.recv_into(buffer[filled : min(BATCH, left)])
        left, number = left - filled, number + 1
        for lane in lanes:
            lane.put(buffer[:filled])


def upload(folder: Path, megabytes: int) -> tuple[float, float]:
    """Return (MB/s, CPU milliseconds of the receiving process) of one upload."""
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        words = [sys.executable, "-c", SENDER, str(server.getsockname()[1]), str(megabytes)]
        with subprocess.Popen(words) as sender:
            peer, _ = server.accept()
            begun, cpu = time.perf_counter(), time.process_time()

            def write(batch: memoryview) -> None:
                while batch:
                    batch = batch[os.write(file.fileno(), batch[:PIECE]) :]

            lanes = [Lane(hashlib.md5(usedforsecurity=False).update), Lane(hashlib.sha512().update), Lane(write)]
            receive(peer, megabytes * MIB, lanes)
            for lane in lanes:
                lane.finish()
            os.fsync(file.fileno())
            seconds, used = time.perf_counter() - begun, time.process_time() - cpu
            peer.sendall(b".")
            peer.close()
        assert sender.returncode == 0, sender.returncode
    return megabytes * MIB / seconds / 1e6, used * 1000


def alone(step: Callable[[memoryview], object], megabytes: int) -> float:
    """Return the MB/s of one step of ``megabytes`` in memory."""
    batch, begun = memoryview(bytearray(BATCH)), time.perf_counter()
    for sent in range(0, megabytes * MIB, BATCH):
        step(batch[: megabytes * MIB - sent])
    return megabytes * MIB / (time.perf_counter() - begun) / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments.Parser(__doc__)
    parser.add_argument("--image-mb", type=arguments.count, default=256, help="MiB of an upload (default %(default)s)")
    parser.add_argument("--rounds", type=arguments.count, default=5, help="uploads (default %(default)s)")
    parser.add_argument("--dir", type=arguments.folder, help="where the file is written (default: TMPDIR)")
    asked = parser.parse_args(argv)
    for name in ("md5", "sha512"):
        pace = alone(hashlib.new(name, usedforsecurity=False).update, asked.image_mb)
        print(f"{name:7} alone, in memory  {pace:6.0f} MB/s")
    found = []
    with tempfile.TemporaryDirectory(dir=asked.dir) as folder:
        for _ in range(asked.rounds):
            time.sleep(1)  # the disk writes what the last one left
            found.append(upload(Path(folder), asked.image_mb))
    paces, costs = zip(*found, strict=True)
    print(f"upload, bare            {statistics.median(paces):6.0f} MB/s median of {asked.rounds},"
          f" {min(paces):.0f} to {max(paces):.0f}; {statistics.median(costs):.0f} CPU-ms")  # fmt: skip


if __name__ == "__main__":
    main()
