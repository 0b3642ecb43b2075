"""State tables: the life of a thing as data.

A :class:`Machine` is checked when its module is imported: an undeclared state, two states with the same
columns, or an event with two outcomes from one state cannot be written.  The only writer of state columns is
``iaas.db.transitions.move``; everything else reads the table.
"""

from __future__ import annotations

import enum
import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors

LOG = logging.getLogger(__name__)
#: rows in states no table knows that are remembered, so that each is told of once
MAX_TOLD = 1000


class Restart(enum.Enum):
    """What a worker that comes back does with a thing it finds in this state."""

    KEEP = "keep"  # nothing was under way here
    REDO = "redo"  # the job's step is run again
    FAIL = "fail"  # cannot be known; fail with a reason


@dataclass(frozen=True, eq=False)
class State:
    """One row of a state table.

    :param columns: the stored values, in the order of the machine's columns
    :param openstack: the word the OpenStack API shows
    :param ec2: the word the EC2 API shows
    :param limit: seconds a thing may stay here before the sweep looks at it; None for a stable state
    :param known: whether a table has it; False is what a row says that somebody changed behind the cloud's back
    """

    columns: tuple[str | None, ...]
    openstack: str
    ec2: str
    restart: Restart = Restart.KEEP
    limit: float | None = None
    known: bool = True

    @property
    def stable(self) -> bool:
        return self.limit is None

    def __str__(self) -> str:
        return "/".join(part for part in self.columns if part)


@dataclass(frozen=True)
class Transition:
    """``event``, fired by ``actor``, takes a thing in one of ``sources`` to ``target``."""

    event: str
    actor: str
    sources: tuple[State, ...]
    target: State


class Machine:
    """A state table: its columns, states and transitions.

    :param unknown: the words the OpenStack and the EC2 API show of a row in a state that is not in the table
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        states: Sequence[State],
        transitions: Sequence[Transition],
        unknown: tuple[str, str] = ("UNKNOWN", "running"),
    ) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.states = tuple(states)
        self.transitions = tuple(transitions)
        self._read: Any = operator.attrgetter(*self.columns)
        self._by_columns = {state.columns: state for state in self.states}
        self._targets: dict[tuple[str, State], State] = {}
        self._unknown = unknown
        self._told: set[tuple[Any, ...]] = set()
        if len(self._by_columns) != len(self.states):
            raise ValueError(f"{name}: two states with the same columns")
        for transition in self.transitions:
            for source in (*transition.sources, transition.target):
                if source not in self.states:
                    raise ValueError(f"{name}: {transition.event} names the undeclared state {source}")
            for source in transition.sources:
                if (transition.event, source) in self._targets:
                    raise ValueError(f"{name}: {transition.event} from {source} has two targets")
                self._targets[transition.event, source] = transition.target

    def state_of(self, row: Any) -> State:
        """Return the state a row is in; ``row`` has the machine's columns as attributes or keys.

        Columns that are no state of the table are a state that is not ``known``, which nothing leads out of: one
        row that was changed by hand must not keep the others from being shown, or worked on.
        """
        try:
            found = self._read(row)
        except AttributeError:
            columns = tuple(row[name] for name in self.columns)
        else:
            columns = found if len(self.columns) > 1 else (found,)
        return self._by_columns.get(columns) or self._odd(columns, row)

    def _odd(self, columns: tuple[Any, ...], row: Any) -> State:
        row_id = getattr(row, "id", None)
        told = (row_id, *columns)
        if told not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(told)
            said = ", ".join(f"{name} {value}" for name, value in zip(self.columns, columns, strict=True))
            LOG.error("%s %s is in a state its table does not know: %s", self.name, row_id, said)
        return State(columns, *self._unknown, known=False)

    def target(self, event: str, source: State, row_id: str = "") -> State:
        """Return where ``event`` leads.

        :raises InvalidTransition: the table has no such row.
        """
        found = self._targets.get((event, source))
        if found is None:
            raise errors.InvalidTransition(event=event, machine=self.name, id=row_id, state=f"state {source}")
        return found

    def allows(self, event: str, source: State) -> bool:
        return (event, source) in self._targets

    def sources(self, event: str) -> tuple[State, ...]:
        """Return the states ``event`` may start from."""
        return tuple(source for (name, source) in self._targets if name == event)
