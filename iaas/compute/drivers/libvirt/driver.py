"""Guests on libvirt: says in which order things happen; how is in the modules beside it."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from typing import Any

from iaas.common import errors, runtime, shell, units
from iaas.compute import driver
from iaas.compute.driver import ConsoleAddress, Definition, Guest, HostFacts, HypervisorError, Image, Power
from iaas.compute.drivers.libvirt import connection, console, disks, power, private, selftest, xml
from iaas.compute.drivers.libvirt.disks import InstanceFolder
from iaas.compute.drivers.libvirt.imagecache import ImageCache
from iaas.compute.drivers.libvirt.settings import LibvirtSettings

LOG = logging.getLogger(__name__)
BUTTON_SECONDS = 5.0  # a guest that is still booting loses a press, so it is repeated
POLL_SECONDS = 0.1


class LibvirtDriver(driver.ComputeDriver):
    """One libvirt on this host, the system's or one of our own."""

    def __init__(self, settings: LibvirtSettings) -> None:
        self.settings = settings
        self.cache = ImageCache(settings.cache_dir, settings.cache_max_gb * units.GIB, settings.instances_dir)
        self.virt_type = ""
        self._libvirtd: private.PrivateLibvirtd | None = None
        self._connection = connection.Connection(self._locate)
        self._cpu_info = "{}"

    # -- the host ----------------------------------------------------------------------------------------

    def start_host(self) -> None:
        settings = self.settings
        for folder, mode in ((settings.instances_dir, 0o711), (settings.cache_dir, 0o755)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        self.virt_type = settings.virt_type
        if self.virt_type == "auto":
            answer = settings.cache_dir / "virt_type.json"
            self.virt_type = selftest.virt_type(answer, kvm_seconds=settings.selftest_seconds)
        if settings.private_dir:
            self._libvirtd = private.PrivateLibvirtd(
                settings.private_dir,
                user=settings.qemu_user,
                netns=settings.netns,
                reach=(settings.instances_dir, settings.cache_dir),
                kvm=self.virt_type == "kvm",
            )
        self.cache.sweep()
        capabilities = self._connection.run("describe this host", lambda link: link.getCapabilities())
        self._cpu_info = json.dumps(xml.cpu_of(capabilities))

    def stop_host(self) -> None:
        self._connection.close()
        if self._libvirtd:
            self._libvirtd.stop()

    def host_facts(self) -> HostFacts:
        def ask(link: Any) -> tuple[list[Any], int, str]:
            return link.getInfo(), link.getVersion(), link.getHostname()

        info, version, hostname = self._connection.run("describe this host", ask)
        return HostFacts(
            vcpus=info[2],
            memory_mb=info[1],
            disk_gb=shutil.disk_usage(self.settings.instances_dir).total // units.GIB,
            hypervisor_type="KVM" if self.virt_type == "kvm" else "QEMU",
            hypervisor_version=version,
            hostname=self.settings.hostname or hostname,
            cpu_info=self._cpu_info,
        )

    def tidy(self) -> None:
        """Cut console logs that have grown large; for a periodic job."""
        for log in self.settings.instances_dir.glob("*/console.log"):
            if console.trim(log, self.settings.max_log_kb * units.KIB):
                LOG.info("cut the console log of %s", log.parent.name)

    # -- life --------------------------------------------------------------------------------------------

    def prepare(self, guest: Guest, image: Image | None, config_drive: bytes | None) -> None:
        self._folder(guest.id).make(guest, image, config_drive, self.cache)

    def start(self, guest: Guest) -> None:
        def work(link: Any) -> None:
            domain = self._connection.domain(link, guest.id)
            now = power.of(domain) if domain else None
            if now is Power.RUNNING:
                return
            if domain and now is Power.PAUSED:
                domain.resume()
                return
            folder = self._folder(guest.id)
            folder.ready(guest)
            fresh = link.defineXML(self._xml(guest, folder))
            try:
                fresh.create()
            except connection.module().libvirtError:
                if domain is None:
                    _forget(fresh)
                raise

        self._connection.run("start the guest", work)

    def stop(self, guest_id: str, *, timeout: float) -> None:
        if self._pressed_off(guest_id, timeout):
            return

        def force(link: Any) -> None:
            domain = self._connection.domain(link, guest_id)
            if domain and domain.isActive():
                _switch_off(domain)

        self._connection.run("stop the guest", force)

    def reboot(self, guest: Guest, *, hard: bool, timeout: float) -> None:
        """A reboot is a stop and a start, so that the guest always comes up from a fresh definition."""
        self._folder(guest.id).check(guest)
        self.stop(guest.id, timeout=0 if hard else timeout)
        self.start(guest)

    def destroy(self, guest_id: str) -> None:
        def work(link: Any) -> None:
            domain = self._connection.domain(link, guest_id)
            if domain is None:
                return
            if domain.isActive():
                _switch_off(domain)
            _forget(domain)

        self._connection.run("remove the guest", work)
        self._folder(guest_id).remove()

    # -- looking -----------------------------------------------------------------------------------------

    def power_of(self, guest_id: str) -> Power | None:
        def work(link: Any) -> Power | None:
            domain = self._connection.domain(link, guest_id)
            return power.of(domain) if domain else None

        return self._connection.run("look at the guest", work)

    def guests(self) -> dict[str, Power]:
        return self._connection.run("list its guests", power.of_all)

    def definitions(self) -> dict[str, Definition]:
        texts = self._connection.run("read what its guests are", power.texts_of_all)
        return {guest_id: self._definition(guest_id, text) for guest_id, text in texts.items()}

    def _definition(self, guest_id: str, text: str) -> Definition:
        folder, found = self._folder(guest_id), xml.read(text)
        own = {str(folder.disk): "disk", str(folder.config_drive): "config_drive"}
        return replace(found, disks=frozenset(own.get(path, path) for path in found.disks))

    def disks(self) -> set[str]:
        folder = self.settings.instances_dir
        return {path.name for path in folder.iterdir() if disks.ID.fullmatch(path.name)} if folder.exists() else set()

    def console_log(self, guest_id: str, *, max_bytes: int) -> bytes:
        self._known(guest_id)
        return console.tail(self._folder(guest_id).log, max_bytes)

    def console(self, guest_id: str, kind: str) -> ConsoleAddress:
        if self._known(guest_id) not in (Power.RUNNING, Power.PAUSED):
            raise driver.GuestNotFound(guest_id=guest_id)
        folder = self._folder(guest_id)
        paths = {"vnc": folder.screen, "serial": folder.serial}
        if kind not in paths:
            raise errors.Invalid(reason=f"A guest has no console of the type {kind}.")
        return ConsoleAddress(kind, path=str(paths[kind]))

    # -- pieces ------------------------------------------------------------------------------------------

    def _locate(self) -> str:
        """The URI of libvirt; a daemon of our own runs when this returns."""
        if self._libvirtd is None:
            return self.settings.uri
        self._libvirtd.start()
        return self._libvirtd.uri

    def _folder(self, guest_id: str) -> InstanceFolder:
        return InstanceFolder(self.settings.instances_dir, guest_id, self.settings.qemu_user)

    def _known(self, guest_id: str) -> Power:
        now = self.power_of(guest_id)
        if now is None:
            raise driver.GuestNotFound(guest_id=guest_id)
        return now

    def _xml(self, guest: Guest, folder: InstanceFolder) -> str:
        try:
            emulator = shell.which(selftest.EMULATOR)
        except shell.CommandMissing as missing:
            raise HypervisorError(reason=missing.message) from missing
        return xml.build(
            xml.Domain(
                guest=guest,
                virt_type=self.virt_type,
                emulator=emulator,
                disk=folder.described(),
                config_drive=folder.config_drive if guest.config_drive else None,
                log=folder.log,
                serial=folder.serial,
                screen=folder.screen,
                machine=self.settings.machine,
                cpu_mode=self.settings.cpu_mode,
                disk_cache=self.settings.disk_cache,
            )
        )

    def _pressed_off(self, guest_id: str, timeout: float) -> bool:
        """Press the power button until the guest is off or ``timeout`` seconds are over; say whether it is off."""
        deadline = runtime.monotonic() + timeout
        press_at = runtime.monotonic()
        while runtime.monotonic() < deadline:
            now = self.power_of(guest_id)
            if now is not Power.RUNNING:
                return now is not Power.PAUSED
            if runtime.monotonic() >= press_at:
                self._connection.run("press the guest's power button", lambda link: self._press(link, guest_id))
                press_at = runtime.monotonic() + BUTTON_SECONDS
            runtime.sleep(min(POLL_SECONDS, timeout))
        return False

    def _press(self, link: Any, guest_id: str) -> None:
        libvirt = connection.module()
        domain = self._connection.domain(link, guest_id)
        if domain is None:
            return
        try:
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:  # it went off by itself
                raise


def _switch_off(domain: Any) -> None:
    libvirt = connection.module()
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def _forget(domain: Any) -> None:
    libvirt = connection.module()
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    try:
        domain.undefineFlags(flags)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
