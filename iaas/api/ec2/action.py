"""Actions: declared once, where they are handled; and the way from a request's parameters to the answer.

The twin of `iaas.common.rest.operations`.  Parameters, response elements and their types are not declared:
they are the published model's (`model.json`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.api.ec2 import errors, model, query, xml
from iaas.common.context import RequestContext

Handler = Callable[["Call"], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Call:
    """One action on its way through a handler.

    ``params`` are nested and typed, by their names on the wire (``params["InstanceId"]`` is a list).
    """

    clients: Any
    ctx: RequestContext
    params: Mapping[str, Any]
    request_id: str
    dry_run: bool = False

    def stop_if_dry_run(self) -> None:
        """The last line before a handler that ``checks_dry_run`` changes anything.

        :raises DryRunOperation: only a rehearsal was asked for, and it went well.
        """
        if self.dry_run:
            raise errors.DryRunOperation()


@dataclass(frozen=True)
class Action:
    """One row: the action, the policy rule of its native twin, and the function that does it.

    Unless ``checks_dry_run`` says that the handler calls :meth:`Call.stop_if_dry_run` itself, after its
    own checks, a dry run ends before the handler and changes nothing.
    """

    name: str
    policy: str
    handler: Handler
    checks_dry_run: bool = False

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n")[0]


class Actions:
    """The actions of one noun, in its module as ``actions``; or those of all nouns, for the edge."""

    def __init__(self, parts: Iterable[Actions] = (), *, published: model.Model | None = None) -> None:
        self._model = published or model.load()
        self._by_name: dict[str, Action] = {}
        for part in parts:
            for action in part:
                self._add(action)

    def action(self, name: str, *, policy: str, checks_dry_run: bool = False) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as the action ``name``.

        :raises ValueError: the model has no such action, or it is declared already.
        """

        def declare(handler: Handler) -> Handler:
            self._add(Action(name, policy, handler, checks_dry_run))
            return handler

        return declare

    def _add(self, action: Action) -> None:
        if action.name not in self._model.actions:
            raise ValueError(f"{action.name} is not in model.json: add it to tools/ec2_model.py")
        if action.name in self._by_name:
            raise ValueError(f"{action.name} is declared twice")
        self._by_name[action.name] = action

    def __iter__(self) -> Iterator[Action]:
        return iter(self._by_name.values())

    def dispatch(
        self, clients: Any, ctx: RequestContext, pairs: Sequence[tuple[str, str]], request_id: str
    ) -> tuple[int, bytes]:
        """The HTTP status and the XML that answer a request's parameters, whatever happens on the way.

        The order is fixed: action, policy, parameters, dry run, handler.
        """
        try:
            action = self._find(pairs)
            published = self._model.actions[action.name]
            clients.policy.check(ctx, action.policy)
            params = query.parse(pairs, published)
            call = Call(clients, ctx, params, request_id, params.get("DryRun", False))
            if not action.checks_dry_run:
                call.stop_if_dry_run()
            result = action.handler(call)
            return 200, xml.response(published, result, request_id, self._model.namespace)
        except Exception as exc:
            return fault(exc, request_id)

    def name_of(self, pairs: Iterable[tuple[str, str]]) -> str | None:
        """The action a request names, if it is one of these."""
        return next((value for name, value in pairs if name == "Action" and value in self._by_name), None)

    def _find(self, pairs: Iterable[tuple[str, str]]) -> Action:
        """The row of the one action the request names."""
        names = [value for name, value in pairs if name == "Action"]
        if not names:
            raise errors.MissingAction()
        if len(names) > 1:
            raise errors.InvalidParameterValue(name="Action", reason="it was given more than once")
        found = self._by_name.get(names[0])
        if found is not None:
            return found
        if names[0] in self._model.published:
            raise errors.InvalidAction(message=f"The action {names[0]} is not implemented by this cloud.")
        raise errors.InvalidAction(message=f"The action {names[0][:80]} is not valid for this web service.")


def fault(exc: Exception, request_id: str) -> tuple[int, bytes]:
    """The HTTP status and the error document that tell an EC2 client of ``exc``."""
    told = errors.translate(exc)
    return told.status, xml.error(told.code, told.message, request_id)
