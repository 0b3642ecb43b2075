"""Every table of the controller: importing this module fills ``base.CONTROLLER``."""

from iaas.db.models import consoles, ec2, hosts, instances, jobs, networks, quotas, volumes
from iaas.db.models.base import CONTROLLER

__all__ = ["CONTROLLER", "consoles", "ec2", "hosts", "instances", "jobs", "networks", "quotas", "volumes"]
