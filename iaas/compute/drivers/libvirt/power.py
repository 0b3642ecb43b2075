"""What libvirt says of guests, in the words of the driver interface."""

from __future__ import annotations

from typing import Any

from iaas.compute.driver import Power
from iaas.compute.drivers.libvirt import connection, xml


def of(domain: Any) -> Power | None:
    """Return the power of a domain, or None if it went away this moment."""
    libvirt = connection.module()
    try:
        state, reason = domain.state()
        if state == libvirt.VIR_DOMAIN_SHUTOFF and domain.hasManagedSaveImage():
            return Power.SUSPENDED
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        return Power.CRASHED
    return _table(libvirt)[state]


def of_all(link: Any) -> dict[str, Power]:
    """Return the power of every guest that carries our mark, by id."""
    found = {}
    for domain in _all(link):
        now = of(domain)
        if now is not None:
            found[domain.UUIDString()] = now
    return found


def texts_of_all(link: Any) -> dict[str, str]:
    """Return the XML of every guest that carries our mark, by id: of one that runs, what it runs with."""
    libvirt, found = connection.module(), {}
    for domain in _all(link):
        try:
            found[domain.UUIDString()] = domain.XMLDesc(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return found


def _all(link: Any) -> list[Any]:
    return [d for d in link.listAllDomains() if d.name().startswith(xml.NAME_PREFIX) and _is_ours(d)]


def _is_ours(domain: Any) -> bool:
    libvirt = connection.module()
    try:
        return bool(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml.NAMESPACE))
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
            return False
        raise


def _table(libvirt: Any) -> dict[int, Power]:
    return {
        libvirt.VIR_DOMAIN_NOSTATE: Power.NOSTATE,
        libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
        libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
        libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
        libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,  # on its way down, its process is still there
        libvirt.VIR_DOMAIN_SHUTOFF: Power.SHUTDOWN,
        libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
        libvirt.VIR_DOMAIN_PMSUSPENDED: Power.SUSPENDED,
    }
