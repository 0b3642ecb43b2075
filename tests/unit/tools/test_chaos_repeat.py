"""What is done again and again while a block lasts."""

from __future__ import annotations

import threading

import pytest

from tools.chaos.repeat import Repeated


class Counter(Repeated):
    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__(0.001)
        self.count = 0
        self.reached = threading.Event()
        self._fail_at = fail_at

    def turn(self) -> None:
        self.count += 1
        if self.count == self._fail_at:
            self.reached.set()
            raise RuntimeError("it broke")
        if self.count >= 3:
            self.reached.set()


def test_it_is_done_until_the_block_ends():
    with Counter() as counter:
        assert counter.reached.wait(10)
    done = counter.count
    assert done >= 3
    assert not counter._thread.is_alive()


def test_what_goes_wrong_is_told_at_the_end_of_the_block():
    with pytest.raises(RuntimeError, match="it broke"), Counter(fail_at=2) as counter:
        assert counter.reached.wait(10)
    with pytest.raises(KeyError), Counter(fail_at=1) as counter:  # the block's own error is the one that is told
        raise KeyError(counter.reached.wait(10))
