"""The connection to libvirt: opened once, kept alive, opened again when it is lost, its errors in our words.

Calls block and are made in native threads.  libvirt's event loop, which keep-alive needs, has a native thread
of its own for the life of the process.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from iaas.common import runtime
from iaas.compute.driver import HypervisorError

T = TypeVar("T")
LOG = logging.getLogger(__name__)
KEEPALIVE = (5, 3)  # seconds between probes, probes without an answer
#: libvirt error numbers that another try does not cure
PERMANENT = {3: "it does not support this", 8: "an argument was invalid", 27: "its XML was refused",
             35: "its XML was refused", 67: "this host does not support the configuration"}  # fmt: skip
PASSING = {2: "no memory", 9: "the operation failed", 38: "a system error", 55: "the guest is in the wrong state",
           68: "another operation on the guest took too long"}  # fmt: skip

_guard = runtime.native_lock()
_loop_runs = False


def module() -> Any:
    """Return the libvirt module.

    :raises HypervisorError: it is not installed.
    """
    try:
        return importlib.import_module("libvirt")
    except ImportError:
        raise HypervisorError(
            reason="The libvirt bindings are not installed: apt-get install libvirt-dev pkg-config gcc, "
            "then pip install libvirt-python."
        ) from None


class Connection:
    """One libvirt daemon.

    :param locate: returns the URI to open, and may make the daemon run first
    """

    def __init__(self, locate: Callable[[], str]) -> None:
        self._locate = locate
        self._libvirt = module()
        self._lock = runtime.native_lock()
        self._open: Any = None

    def run(self, doing: str, work: Callable[[Any], T]) -> T:
        """Return ``work(virConnect)``; it is called a second time if the connection was lost in the first.

        So ``work`` reads the truth before it changes anything.

        :param doing: completes "The hypervisor could not …"
        :raises HypervisorError: libvirt refused; ``retryable`` tells whether that may pass.
        """
        for last in (False, True):
            link = self._link()
            try:
                return work(link)
            except self._libvirt.libvirtError as error:
                if last or self._alive(link):
                    raise self._error(doing, error) from error
                LOG.warning("the connection to libvirt was lost (%s); opening it again", error)
        raise AssertionError("unreachable")

    def domain(self, link: Any, guest_id: str) -> Any | None:
        """Return the domain of a guest, or None."""
        try:
            return link.lookupByUUIDString(guest_id)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lock:
            link, self._open = self._open, None
        if link is not None:
            try:
                link.close()
            except self._libvirt.libvirtError as error:
                LOG.info("closing the connection to libvirt: %s", error)

    def _link(self) -> Any:
        with self._lock:
            if self._open is None or not self._alive(self._open):
                self.close()
                self._open = self._connect()
            return self._open

    def _connect(self) -> Any:
        _start_event_loop(self._libvirt)
        uri = self._locate()
        try:
            link = self._libvirt.open(uri)
            link.setKeepAlive(*KEEPALIVE)
        except self._libvirt.libvirtError as error:
            LOG.warning("libvirt at %s: %s", uri, error)
            raise HypervisorError(
                reason=f"No libvirt answers at {uri}: is libvirtd running, and may this user talk to it?"
            ) from error
        return link

    def _alive(self, link: Any) -> bool:
        try:
            return bool(link.isAlive())
        except self._libvirt.libvirtError:
            return False

    def _error(self, doing: str, error: Any) -> HypervisorError:
        """The sentence for the user has no host path in it; the log has all of it."""
        code = error.get_error_code()
        LOG.warning("libvirt could not %s: error %s: %s", doing, code, error)
        words = PERMANENT.get(code) or PASSING.get(code) or "see the log of the compute daemon"
        ours = HypervisorError(reason=f"The hypervisor could not {doing}: {words} (libvirt error {code}).")
        ours.retryable = code not in PERMANENT
        return ours


def _start_event_loop(libvirt: Any) -> None:
    """Run libvirt's event loop in a native thread, once in a process and before any connection."""
    global _loop_runs
    with _guard:
        if _loop_runs:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # else it writes each error to our standard error
        libvirt.virEventRegisterDefaultImpl()
        threading = _native_threading()
        threading.Thread(target=_loop, args=(libvirt,), name="libvirt-events", daemon=True).start()
        _loop_runs = True


def _loop(libvirt: Any) -> None:
    while True:
        if libvirt.virEventRunDefaultImpl() < 0:
            LOG.error("the event loop of libvirt failed; trying again")
            runtime.sleep(1)


def _native_threading() -> Any:
    """The threading module with real threads, whatever the runtime back-end patched."""
    if runtime.name() == "eventlet":
        from iaas.common.runtime import eventlet_backend

        return eventlet_backend.eventlet.patcher.original("threading")
    return importlib.import_module("threading")
