"""How fast an upload is hashed, inspected and stored: MB/s, memory, and how long other green threads wait.

Run it once per back-end: ``IAAS_RUNTIME=eventlet python tools/bench/ingest.py --size-mb 2048``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from iaas.common import runtime, units

runtime.use(runtime.name())  # eventlet patches the standard library, so before all else

from iaas.image import hashing  # noqa: E402
from iaas.image.stores import base, file  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools import arguments  # noqa: E402

UPLOADS = 8  # at the same time, each a part of the size


class _Nowhere(base.Writer):
    """A writer that forgets: the pace of hashing alone."""

    def __enter__(self) -> _Nowhere:
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        pass

    def commit(self) -> str:
        return ""

    def abort(self) -> None:
        pass


class _Beat:
    """A task that wants to run every millisecond, and remembers the worst it had to wait."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = False
        self._task = runtime.spawn(self._run)

    def _run(self) -> None:
        while not self._stop:
            start = runtime.monotonic()
            runtime.sleep(0.001)
            self.worst = max(self.worst, runtime.monotonic() - start - 0.001)

    def stop(self) -> float:
        self._stop = True
        self._task.wait()
        return self.worst


def ingest(writer: base.Writer, size_mb: int, chunk_size: int) -> None:
    """Send ``size_mb`` MiB through ``writer`` in chunks, each made anew as a network would."""
    model = runtime.rng().randbytes(chunk_size)
    with writer, hashing.Ingest(writer, "raw") as upload:
        for _ in range(size_mb * units.MIB // chunk_size):
            upload.feed(bytes(bytearray(model)))  # a copy, as reading a socket makes one
        upload.finish()
        writer.commit()


def measure(name: str, writers: list[base.Writer], size_mb: int, chunk_size: int) -> None:
    """Run one upload per writer at the same time, and print one line."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    beat = _Beat()
    start = runtime.monotonic()
    for task in [runtime.spawn(ingest, writer, size_mb, chunk_size) for writer in writers]:
        task.wait()
    seconds = runtime.monotonic() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    pace = size_mb * units.MIB * len(writers) / seconds / 1e6
    print(
        f"{runtime.name():8}  {name:24} {pace:7.0f} MB/s  peak memory +{grown / 1024:.1f} MiB"
        f"  longest wait of others {beat.stop() * 1000:.1f} ms"
    )


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments.Parser(__doc__)
    size = arguments.at_least(UPLOADS)
    options.add_argument("--size-mb", type=size, default=1024, help="MiB of each measurement (default %(default)s)")
    options.add_argument("--dir", type=arguments.folder, help="where it is stored (default: TMPDIR)")
    chosen = options.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=chosen.dir) as folder:
        store = file.FileStore(Path(folder) / "images")
        measure("warm-up", [_Nowhere()], 64, units.MIB)
        for chunk_kib in (1024, 64, 16):
            measure(f"hash, {chunk_kib} KiB chunks", [_Nowhere()], chosen.size_mb, chunk_kib * units.KIB)
        for chunk_kib in (1024, 64):
            image_id = runtime.uuid()
            name = f"file, {chunk_kib} KiB chunks"
            measure(name, [store.writer(image_id)], chosen.size_mb, chunk_kib * units.KIB)
            store.delete(store.location(image_id))
        writers: list[base.Writer] = [store.writer(runtime.uuid()) for _ in range(UPLOADS)]
        measure(f"file, {UPLOADS} uploads", writers, chosen.size_mb // UPLOADS, units.MIB)


if __name__ == "__main__":
    main()
