"""Disk image formats: what their headers must look like before any tool sees the bytes."""

from __future__ import annotations

from iaas.common import errors


class ImageRejected(errors.IaasError):
    """The bytes are not an image this cloud will give to a hypervisor."""

    kind = errors.Kind.INVALID
    template = "Image rejected: {reason}"
