"""Something that is done again and again, on a thread of its own, while a block lasts."""

from __future__ import annotations

import abc
import threading
from typing import Self


class Repeated(abc.ABC):
    """Calls :meth:`turn` every ``every`` seconds; what it raises is raised at the end of the block."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: Exception | None = None

    @abc.abstractmethod
    def turn(self) -> None:
        """Do it once."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.turn()
            except Exception as error:
                self._error = error
                return
