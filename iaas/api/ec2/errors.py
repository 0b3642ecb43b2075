"""The errors of the EC2 API: one class, one AWS code; and how the cloud's own errors translate.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import logging
from typing import ClassVar

from iaas.common import errors

LOG = logging.getLogger(__name__)
Kind = errors.Kind


class Ec2Error(errors.IaasError):
    """An error with the code and HTTP status that EC2 clients know it by."""

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400
    kind = Kind.INVALID
    template = "{message}"

    #: Every class by its code.
    by_code: ClassVar[dict[str, type[Ec2Error]]] = {}

    def __init_subclass__(cls) -> None:
        if not cls.__dict__.get("code"):
            return  # a family, not an error
        if cls.code in Ec2Error.by_code:
            raise TypeError(f"two classes have the AWS code {cls.code}")
        Ec2Error.by_code[cls.code] = cls

    @classmethod
    def saying(cls, message: str) -> Ec2Error:
        """An error of this class with a sentence made elsewhere, instead of its own."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.fields = {}
        return error


# The request as a whole.


class MissingAction(Ec2Error):
    code = "MissingAction"
    template = "The request must contain the parameter Action."


class InvalidAction(Ec2Error):
    code = "InvalidAction"


class MissingParameter(Ec2Error):
    code = "MissingParameter"
    template = "The request must contain the parameter {name}."


class UnknownParameter(Ec2Error):
    code = "UnknownParameter"
    template = "The parameter {name} is not recognized."


class InvalidParameterValue(Ec2Error):
    """A value that is not of its type, or not among those allowed; ``reason`` is a sentence."""

    code = "InvalidParameterValue"
    template = "Invalid value for the parameter {name}: {reason}"


class InvalidParameterCombination(Ec2Error):
    code = "InvalidParameterCombination"


class InvalidRequest(Ec2Error):
    code = "InvalidRequest"


class InvalidNextToken(Ec2Error):
    code = "InvalidNextToken"
    template = "The token in NextToken is not one this action gave out."


class InvalidInstanceType(Ec2Error):
    code = "InvalidInstanceType"
    template = "The following supplied instance types do not exist: [{id}]"


class TagLimitExceeded(Ec2Error):
    code = "TagLimitExceeded"
    kind = Kind.OVER_LIMIT


class UnsupportedOperation(Ec2Error):
    code = "UnsupportedOperation"
    kind = Kind.NOT_IMPLEMENTED


class DryRunOperation(Ec2Error):
    code = "DryRunOperation"
    status = 412
    template = "Request would have succeeded, but DryRun flag is set."


class IdempotentInstanceTerminated(Ec2Error):
    code = "IdempotentInstanceTerminated"
    kind = Kind.CONFLICT
    template = "The instances that the client token {token} made are terminated; use a new token."


class IdempotentParameterMismatch(Ec2Error):
    code = "IdempotentParameterMismatch"
    kind = Kind.CONFLICT
    template = "The client token {token} was used before with other parameters."


# Who asks.


class AuthFailure(Ec2Error):
    code = "AuthFailure"
    status = 401
    kind = Kind.UNAUTHENTICATED
    template = "The provided credentials could not be validated."


class SignatureDoesNotMatch(Ec2Error):
    code = "SignatureDoesNotMatch"
    status = 403
    kind = Kind.UNAUTHENTICATED
    template = "The request signature does not match the one calculated from your secret key."


class RequestExpired(Ec2Error):
    code = "RequestExpired"
    kind = Kind.UNAUTHENTICATED
    template = "The request has expired or is dated in the future."


class UnauthorizedOperation(Ec2Error):
    code = "UnauthorizedOperation"
    status = 403
    kind = Kind.FORBIDDEN
    template = "You are not authorized to perform this operation."


# Things.  The names in the ids are those of `iaas.api.ec2.ids`.


class Malformed(Ec2Error):
    """An id that no resource of its kind can have."""

    template = 'Invalid id: "{id}"'


class Missing(Ec2Error):
    """An id or name of nothing this project can see."""

    kind = Kind.NOT_FOUND
    template = "'{id}' does not exist."


class InvalidInstanceIdMalformed(Malformed):
    code = "InvalidInstanceID.Malformed"


class InvalidInstanceIdNotFound(Missing):
    code = "InvalidInstanceID.NotFound"
    template = "The instance ID '{id}' does not exist."


class InvalidAmiIdMalformed(Malformed):
    code = "InvalidAMIID.Malformed"


class InvalidAmiIdNotFound(Missing):
    code = "InvalidAMIID.NotFound"
    template = "The image id '[{id}]' does not exist."


class InvalidAmiIdUnavailable(Ec2Error):
    """An image that is there and cannot be used now."""

    code = "InvalidAMIID.Unavailable"
    kind = Kind.CONFLICT


class InvalidKeyPairFormat(Malformed):
    code = "InvalidKeyPair.Format"


class InvalidKeyFormat(Ec2Error):
    """Public key material of a type or an encoding that cannot be imported."""

    code = "InvalidKey.Format"
    template = "The key is not in a valid OpenSSH public key format."


class InvalidKeyPairNotFound(Missing):
    code = "InvalidKeyPair.NotFound"
    template = "The key pair '{id}' does not exist."


class InvalidKeyPairDuplicate(Ec2Error):
    code = "InvalidKeyPair.Duplicate"
    kind = Kind.CONFLICT
    template = "The key pair '{name}' already exists."


class InvalidVolumeIdMalformed(Malformed):
    code = "InvalidVolumeID.Malformed"


class InvalidVolumeNotFound(Missing):
    code = "InvalidVolume.NotFound"
    template = "The volume '{id}' does not exist."


class InvalidSnapshotIdMalformed(Malformed):
    code = "InvalidSnapshotID.Malformed"


class InvalidSnapshotNotFound(Missing):
    code = "InvalidSnapshot.NotFound"
    template = "The snapshot '{id}' does not exist."


class InvalidGroupIdMalformed(Malformed):
    code = "InvalidGroupId.Malformed"


class InvalidGroupNotFound(Missing):
    code = "InvalidGroup.NotFound"
    template = "The security group '{id}' does not exist."


class InvalidGroupDuplicate(Ec2Error):
    code = "InvalidGroup.Duplicate"
    kind = Kind.CONFLICT
    template = "The security group '{name}' already exists."


class InvalidVpcIdMalformed(Malformed):
    code = "InvalidVpcID.Malformed"


class InvalidVpcIdNotFound(Missing):
    code = "InvalidVpcID.NotFound"
    template = "The vpc ID '{id}' does not exist."


class InvalidSubnetIdMalformed(Malformed):
    code = "InvalidSubnetID.Malformed"


class InvalidSubnetIdNotFound(Missing):
    code = "InvalidSubnetID.NotFound"
    template = "The subnet ID '{id}' does not exist."


class InvalidNetworkInterfaceIdMalformed(Malformed):
    code = "InvalidNetworkInterfaceId.Malformed"


class InvalidNetworkInterfaceIdNotFound(Missing):
    code = "InvalidNetworkInterfaceID.NotFound"
    template = "The network interface '{id}' does not exist."


class InvalidAddressMalformed(Malformed):
    code = "InvalidAddress.Malformed"


class InvalidAllocationIdNotFound(Missing):
    code = "InvalidAllocationID.NotFound"
    template = "The allocation ID '{id}' does not exist."


class InvalidIdMalformed(Malformed):
    """An id whose prefix names no kind of resource, where any kind may stand (CreateTags)."""

    code = "InvalidID"


# States, limits, and we ourselves.


class IncorrectInstanceState(Ec2Error):
    code = "IncorrectInstanceState"
    kind = Kind.CONFLICT


class IncorrectState(Ec2Error):
    code = "IncorrectState"
    kind = Kind.CONFLICT


class InstanceLimitExceeded(Ec2Error):
    code = "InstanceLimitExceeded"
    kind = Kind.OVER_LIMIT


class ResourceLimitExceeded(Ec2Error):
    code = "ResourceLimitExceeded"
    kind = Kind.OVER_LIMIT


class InsufficientInstanceCapacity(Ec2Error):
    code = "InsufficientInstanceCapacity"
    status = 500
    kind = Kind.NO_SPACE


class RequestLimitExceeded(Ec2Error):
    code = "RequestLimitExceeded"
    status = 503
    kind = Kind.OVER_LIMIT
    template = "Request limit exceeded."


class Unavailable(Ec2Error):
    code = "Unavailable"
    status = 503
    kind = Kind.UNAVAILABLE


class InternalError(Ec2Error):
    code = "InternalError"
    status = 500
    kind = Kind.INTERNAL
    template = "An internal error has occurred."


#: What a kind of the cloud's errors becomes when no class below says better.
BY_KIND: dict[Kind, type[Ec2Error]] = {
    Kind.INVALID: InvalidRequest,
    Kind.UNAUTHENTICATED: AuthFailure,
    Kind.FORBIDDEN: UnauthorizedOperation,
    Kind.NOT_FOUND: InvalidRequest,
    Kind.CONFLICT: IncorrectState,
    Kind.OVER_LIMIT: ResourceLimitExceeded,
    Kind.TOO_LARGE: InvalidRequest,
    Kind.GONE_VERSION: InvalidRequest,
    Kind.NOT_IMPLEMENTED: UnsupportedOperation,
    Kind.UNAVAILABLE: Unavailable,
    Kind.NO_SPACE: InsufficientInstanceCapacity,
    Kind.INTERNAL: InternalError,
}

#: `NotFound(what=…)` by what is missing, in lower case.
BY_NOUN: dict[str, type[Missing]] = {
    "instance": InvalidInstanceIdNotFound,
    "server": InvalidInstanceIdNotFound,
    "image": InvalidAmiIdNotFound,
    "keypair": InvalidKeyPairNotFound,
    "key pair": InvalidKeyPairNotFound,
    "volume": InvalidVolumeNotFound,
    "snapshot": InvalidSnapshotNotFound,
    "security group": InvalidGroupNotFound,
    "network": InvalidVpcIdNotFound,
    "subnet": InvalidSubnetIdNotFound,
    "port": InvalidNetworkInterfaceIdNotFound,
    "floating ip": InvalidAllocationIdNotFound,
}

#: `QuotaExceeded(resource=…)` of the resources that limit how many instances run.
INSTANCE_LIMITS = {"instances", "cores", "ram"}

#: Classes of the cloud's errors that have an AWS code of their own; filled by :func:`declare`.
BY_CLASS: dict[type[errors.IaasError], type[Ec2Error]] = {}


def declare(core: type[errors.IaasError], ec2: type[Ec2Error]) -> None:
    """Show ``core`` and what inherits from it as ``ec2``; called beside the handlers that may meet it.

    :raises ValueError: it was declared as another one.
    """
    if BY_CLASS.setdefault(core, ec2) is not ec2:
        raise ValueError(f"{core.__name__} is declared as {BY_CLASS[core].__name__} already")


def translate(error: Exception) -> Ec2Error:
    """What an EC2 client is told of ``error``.

    The sentence of an error the user can act on is kept; of one that is our own fault only that it
    happened is said, and the log has the rest.
    """
    if isinstance(error, Ec2Error):
        return error
    if not isinstance(error, errors.IaasError) or error.kind is Kind.INTERNAL:
        LOG.error("an EC2 action failed", exc_info=error)
        return InternalError()
    if error.kind is Kind.FORBIDDEN:
        return UnauthorizedOperation()
    if error.kind is Kind.UNAUTHENTICATED:
        return AuthFailure()
    return _code_of(error).saying(error.message)


def _code_of(error: errors.IaasError) -> type[Ec2Error]:
    for core in type(error).__mro__:
        if core in BY_CLASS:
            return BY_CLASS[core]
    if isinstance(error, errors.NotFound):
        return BY_NOUN.get(str(error.fields.get("what", "")).lower(), BY_KIND[error.kind])
    if isinstance(error, errors.QuotaExceeded) and error.fields.get("resource") in INSTANCE_LIMITS:
        return InstanceLimitExceeded
    if isinstance(error, errors.QuotaExceeded) and error.fields.get("resource") == "metadata_items":
        return TagLimitExceeded
    machine = error.fields.get("machine")
    if isinstance(error, errors.InvalidTransition | errors.StateConflict) and machine == "instance":
        return IncorrectInstanceState
    return BY_KIND[error.kind]
