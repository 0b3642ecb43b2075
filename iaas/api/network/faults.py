"""Faults as Network v2.0 words them: ``{"NeutronError": {"type", "message", "detail"}}``.

Source: https://docs.openstack.org/api-ref/network/v2/#general-information
"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest import dispatch


def neutron(status: int, message: str, error: errors.IaasError | None) -> dict[str, Any]:
    """Return a fault in the format of the network service."""
    name = "HTTPInternalServerError" if error is None else WORDS.get(type(error).__name__, type(error).__name__)
    return {"NeutronError": {"type": name, "message": message, "detail": ""}}


#: classes clients know by other names
WORDS = {
    "GroupNotFound": "SecurityGroupNotFound",
    "GroupInUse": "SecurityGroupInUse",
    "RuleExists": "SecurityGroupRuleExists",
    "RuleNotFound": "SecurityGroupRuleNotFound",
    "SchemaMismatch": "HTTPBadRequest",
    "Invalid": "InvalidInput",
    "Forbidden": "PolicyNotAuthorized",
    "NoAddressLeft": "IpAddressGenerationFailure",
    "AddressInUse": "IpAddressAlreadyAllocated",
    "MacInUse": "MacAddressInUse",
    "SharedInUse": "InvalidSharedSetting",
    "NoSuchResource": "HTTPNotFound",
}


class OverQuota(errors.IaasError):
    """A quota would be passed: the network service answers 409 where compute answers 403."""

    kind = errors.Kind.CONFLICT
    template = "{reason}"


class NetworkApi(dispatch.Api):
    """The API with the one status of its own."""

    def _fault(
        self, environ: dict[str, Any], error: errors.IaasError, headers: list[tuple[str, str]]
    ) -> tuple[int, Any]:
        if error.kind is errors.Kind.OVER_LIMIT:
            error = OverQuota(reason=error.message)
        return super()._fault(environ, error, headers)
