"""The microversions of Block Storage v3 that are served.

Source: https://docs.openstack.org/cinder/latest/contributor/api_microversion_history.html

- 3.0 what every client starts with.
- 3.1 concerns uploads to images, which are not there at any version.
- 3.2 ``bootable`` as a filter understands true and false and refuses other words.

3.3 is user messages, which are not there; so 3.2 is the last version whose behaviour is.
"""

from __future__ import annotations

from iaas.common.rest.microversions import Negotiation, Version

LOWEST = Version(3, 0)
HIGHEST = Version(3, 2)
NEGOTIATION = Negotiation("volume", LOWEST, HIGHEST)
