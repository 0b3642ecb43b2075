"""The EC2 API: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iaas.api.ec2.action import Actions


def actions() -> Actions:
    """Return every noun's actions: what is served, documented and counted."""
    from iaas.api.ec2 import console, images, instance_types, instances, keypairs, launches, regions, tags
    from iaas.api.ec2.action import Actions

    nouns = (launches, instances, console, images, instance_types, keypairs, tags, regions)
    return Actions([noun.actions for noun in nouns])
