"""What requests about extra specs look like, and which keys and values 2.86 and later let through.

Source: https://docs.openstack.org/nova/latest/configuration/extra-specs.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from iaas.common import errors
from iaas.common.rest import schemas as s

_KEY = "^[a-zA-Z0-9_:. -]{1,255}$"
_VALUE: s.Schema = {"type": ["string", "number"], "maxLength": 255}
_SPECS: s.Schema = {"type": "object", "patternProperties": {_KEY: _VALUE}, "additionalProperties": False}
CREATE = s.obj(("extra_specs",), extra_specs=_SPECS)
UPDATE: s.Schema = {**_SPECS, "minProperties": 1, "maxProperties": 1}

Check = Callable[[str], bool]


def _number(low: int, high: int = 2**63 - 1) -> Check:
    return lambda text: re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) is not None and low <= int(text) <= high


def _one_of(*words: str) -> Check:
    return lambda text: text in words


def _like(pattern: str) -> Check:
    return lambda text: re.fullmatch(pattern, text) is not None


def _any(_text: str) -> bool:
    return True


def _flag(text: str) -> bool:
    return text.lower() in ("true", "t", "1", "on", "y", "yes", "false", "f", "0", "off", "n", "no")


_CPUS = _like(r"\^?[0-9]+(-[0-9]+)?(,\^?[0-9]+(-[0-9]+)?)*")
#: the namespaces whose keys are known; any other key is the operator's own and may say anything
_NAMESPACES = re.compile(
    r"(accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|powervm|quota"
    r"|resources[0-9a-zA-Z_-]*|trait[0-9a-zA-Z_-]*|vmware)",
    re.ASCII,
)
KNOWN: Mapping[str, Check] = {
    r"accel:device_profile": _any,
    r"aggregate_instance_extra_specs:.+": _any,
    r"capabilities:.+": _any,
    r"hw:boot_menu": _flag,
    r"hw:cpu_cores|hw:cpu_sockets|hw:cpu_threads": _number(1),
    r"hw:cpu_max_cores|hw:cpu_max_sockets|hw:cpu_max_threads": _number(1),
    r"hw:cpu_policy": _one_of("dedicated", "shared", "mixed"),
    r"hw:cpu_thread_policy": _one_of("prefer", "isolate", "require"),
    r"hw:cpu_dedicated_mask|hw:cpu_realtime_mask": _CPUS,
    r"hw:cpu_realtime|hw:mem_encryption|hw:locked_memory|hw:hide_hypervisor_id|hide_hypervisor_id": _flag,
    r"hw:emulator_threads_policy": _one_of("isolate", "share"),
    r"hw:input_bus": _one_of("usb", "virtio"),
    r"hw:maxphysaddr_bits": _number(0),
    r"hw:maxphysaddr_mode": _one_of("passthrough", "emulate"),
    r"hw:mem_page_size": _like(r"large|small|any|[0-9]+([kKMGT]i?[bB]?)?"),
    r"hw:numa_nodes": _number(1),
    r"hw:numa_cpus\.[0-9]+": _CPUS,
    r"hw:numa_mem\.[0-9]+": _number(1),
    r"hw:pci_numa_affinity_policy": _one_of("required", "preferred", "legacy", "socket"),
    r"hw:pmem": _any,
    r"hw:pmu": _flag,
    r"hw:serial_port_count": _number(0),
    r"hw:tpm_model": _one_of("tpm-tis", "tpm-crb"),
    r"hw:tpm_version": _one_of("1.2", "2.0"),
    r"hw:tpm_secret_security": _one_of("user", "host", "deployment"),
    r"hw:vif_multiqueue_enabled": _flag,
    r"hw:viommu_model": _one_of("intel", "smmuv3", "virtio", "auto"),
    r"hw:virtio_packed_ring": _flag,
    r"hw:watchdog_action": _one_of("none", "pause", "poweroff", "reset", "disabled"),
    r"hw_rng:allowed": _flag,
    r"hw_rng:rate_bytes|hw_rng:rate_period": _number(0),
    r"hw_video:ram_max_mb": _number(0),
    r"os:monitors": _number(1),
    r"os:secure_boot": _one_of("disabled", "optional", "required"),
    r"os:vif_pci_numa_affinity_policy": _any,
    r"pci_passthrough:alias": _like(r"[^:]+:[0-9]+(,\s?[^:]+:[0-9]+)*"),
    r"quota:(cpu_shares|cpu_period|disk_(read|write|total)_(bytes|iops)_sec)": _number(0),
    r"quota:cpu_quota": _number(-1),
    r"quota:(disk_(read|write|total)_(bytes|iops)_sec_max(_length)?|vif_(inbound|outbound)_(average|burst|peak))":
        _number(0),
    r"quota:(cpu|memory|disk_io|vif)_(limit|reservation)": _number(0),
    r"quota:(cpu|memory|disk_io|vif)_shares_level": _one_of("custom", "high", "normal", "low"),
    r"quota:(cpu|memory|disk_io|vif)_shares_share": _number(0),
    r"resources[0-9a-zA-Z_-]*:[A-Z0-9_]+": _number(0),
    r"trait[0-9a-zA-Z_-]*:[A-Z0-9_]+": _one_of("required", "forbidden"),
    r"powervm:.+|vmware:.+": _any,
}  # fmt: skip


def check_known(specs: Mapping[str, str]) -> None:
    """Refuse unknown keys in known namespaces, and values that a known key cannot have.

    :raises Invalid: names the first.
    """
    for key, value in specs.items():
        namespace, colon, _ = key.partition(":")
        if not colon or _NAMESPACES.fullmatch(namespace) is None:
            continue
        check = next((check for pattern, check in KNOWN.items() if re.fullmatch(pattern, key)), None)
        if check is None:
            raise errors.Invalid(
                reason=f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
            )
        if not check(value):
            raise errors.Invalid(reason=f"Validation failed; {value!r} is not a value extra spec '{key}' can have.")
