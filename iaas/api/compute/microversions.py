"""The microversions of Compute that are served.

History: https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
"""

from __future__ import annotations

from iaas.common.rest.microversions import Version

LOWEST = Version(2, 1)
#: raise it only with every served operation's changes up to it: what is advertised is what behaves so
HIGHEST = Version(2, 96)
