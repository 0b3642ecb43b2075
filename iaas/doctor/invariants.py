"""The table of what must hold. A new invariant is a small function of a :class:`Case` and a row here.

``always`` says that it holds at every moment, whatever is under way: it is judged on the rows of one moment, or on
facts that no request may make false.  The others hold when a resource has come to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iaas.doctor import (
    database,
    filters,
    guests,
    hosts,
    images,
    jobs,
    networks,
    queues,
    quotas,
    services,
    states,
    volumes,
)
from iaas.doctor.case import Case
from iaas.doctor.findings import Finding


@dataclass(frozen=True)
class Invariant:
    """One row.

    :param id: ``I3``; several rows may say parts of one invariant
    :param sentence: what holds
    :param always: whether it holds at every moment
    :param needs: what must be known beside the rows, see :data:`NEEDS`
    """

    id: str
    sentence: str
    always: bool
    check: Callable[[Case], Iterable[Finding]]
    needs: tuple[str, ...] = ()


ALWAYS, AT_REST = True, False
#: what an invariant may need beside the controller's rows, and what is said where nobody told it
NEEDS = {
    "guests": "no compute host said which guests it has",
    "definitions": "no compute host said what its guests are defined as",
    "disks": "no compute host said whose files it has",
    "ports": "no network host said which ports it carries",
    "taps": "no network host said which taps it has",
    "networks": "no network host said which bridges it has",
    "rules": "no network host said what its filters let through",
    "senders": "no network host said what its ports may send from",
    "members": "no network host said whom it takes for a group's members",
    "leases": "no network host said to whom its DHCP servers give addresses",
    "volumes": "no volume host said which volumes it has",
    "blobs": "nobody listed the image store",
    "digests": "the bytes of images were not read, only counted; --deep reads them where the store is a folder here",
    "images": "the image service's database was not read",
    "queues": "no queue was measured",
    "ratios": "it was not said how many times hosts may be sold",
    "limits": "a quota may have been lowered since it was used",
    "down_after": "it was not said how long a service may be silent",
}
#: invariants of the design that no row here looks at, and why
ELSEWHERE = {
    "I12": "promises to clients are judged where they are recorded, by iaas.doctor.history",
    "I16": "secrets in logs and messages are looked for by the tests, not in a running cloud",
}

FILTERS, LEASES = ("ports", "rules", "senders"), ("ports", "leases")
INVARIANTS = (
    Invariant("I1", "Live work is held, or waits for its time, or is taken at once.", AT_REST, jobs.move_on),
    Invariant("I1", "Live work stands at a step of its kind, on that step's topic.", ALWAYS, jobs.on_their_way),
    Invariant("I2", "A resource has at most one live job.", ALWAYS, jobs.one_per_resource),
    Invariant("I2", "What is busy has a live job.", ALWAYS, jobs.busy_has_a_job),
    Invariant("I2", "What has a live job is there and busy.", ALWAYS, jobs.job_has_a_busy),
    Invariant("I2", "What is in a state is in one that its table knows.", ALWAYS, states.are_known),
    Invariant("I3", "What a host counts as used is the sum of its allocations.", ALWAYS, hosts.sold_is_used),
    Invariant("I3", "No host has sold more than it has.", ALWAYS, hosts.not_oversold, ("ratios",)),
    Invariant("I3", "The guests of a host are not more than it has sold.", AT_REST, hosts.guests_fit, ("guests",)),
    Invariant("I4", "A server's one allocation is on its host, of its size.", ALWAYS, hosts.sold_where_placed),
    Invariant("I5", "A server's guest is on its host, with its power.", AT_REST, guests.one_domain, ("guests",)),
    Invariant("I5", "A guest that runs is what its server's row says.", AT_REST, guests.as_rows_say, ("definitions",)),
    Invariant("I6", "No server runs twice.", ALWAYS, guests.one_running, ("guests",)),
    Invariant("I7", "A guest is a server's whose host it is on.", AT_REST, guests.owned, ("guests",)),
    Invariant("I7", "Files are a server's whose host they are on.", AT_REST, guests.disks_owned, ("disks",)),
    Invariant("I7", "What a host carries is a port that is bound there.", AT_REST, networks.wired_is_bound, ("ports",)),
    Invariant("I7", "A host has taps of ports that are bound there.", AT_REST, networks.taps_are_bound, ("taps",)),
    Invariant("I7", "A host has bridges of its ports' networks.", AT_REST, networks.networks_are_used, ("networks",)),
    Invariant("I7", "A volume on a back-end is one whose row names it.", AT_REST, volumes.owned, ("volumes",)),
    Invariant("I8", "What is counted of a quota is what rows hold.", ALWAYS, quotas.used_is_held),
    Invariant("I8", "Nothing passes a limit.", ALWAYS, quotas.within_limits, ("limits",)),
    Invariant("I8", "What is counted of stored images is what rows hold.", ALWAYS, images.usage_is_held, ("images",)),
    Invariant("I9", "An address belongs to one port, and to its network.", ALWAYS, networks.addresses_once),
    Invariant("I9", "The server a port belongs to is there.", ALWAYS, networks.servers_are_there),
    Invariant("I9", "A server's port is bound where the server is.", AT_REST, networks.bound_where_servers_are),
    Invariant("I9", "A server shows the addresses its ports have.", AT_REST, networks.copies_agree),
    Invariant("I9", "A bound port is wired, or says why not.", AT_REST, networks.bound_is_wired, ("ports",)),
    Invariant("I9", "DHCP gives each port its addresses, and nobody else.", AT_REST, filters.leases_agree, LEASES),
    Invariant("I10", "A ready volume is on its back-end, in its size.", AT_REST, volumes.there, ("volumes",)),
    Invariant("I11", "An active image has all its bytes.", AT_REST, images.bytes_are_there, ("images", "blobs")),
    Invariant("I11", "An image is in a state that its table knows.", ALWAYS, states.of_images_are_known, ("images",)),
    Invariant("I11", "An image's bytes are as uploaded.", AT_REST, images.bytes_are_unchanged, ("images", "digests")),
    Invariant("I11", "The store has no bytes but images'.", AT_REST, images.bytes_are_owned, ("images", "blobs")),
    Invariant("I12", "What is in error says why.", ALWAYS, guests.error_says_why),
    Invariant("I13", "What an ended job did is a path of its kind.", ALWAYS, jobs.events_are_a_path),
    Invariant("I14", "A closed port carries nothing.", AT_REST, networks.closed_is_closed, ("ports",)),
    Invariant("I14", "A port's filters are what its rows say.", AT_REST, filters.let_through_what_they_say, FILTERS),
    Invariant("I14", "Rules for a group let in its members.", AT_REST, filters.remote_groups_agree, ("members",)),
    Invariant("I15", "No message is dead.", ALWAYS, queues.no_dead_letters, ("queues",)),
    Invariant("I15", "No message waits for ever.", AT_REST, queues.drained, ("queues",)),
    Invariant("I17", "What a row names is there.", ALWAYS, database.keys_hold),
    Invariant("I17", "What is gone owns nothing.", AT_REST, database.gone_own_nothing),
    Invariant("I18", "A compute host has a compute service.", AT_REST, hosts.hosts_have_services),
    Invariant("I18", "A service that nobody stopped reports.", ALWAYS, services.report, ("down_after",)),
    Invariant("I18", "A server's host is one of the hosts.", ALWAYS, hosts.hosts_are_known),
    Invariant("I18", "Who holds a job has reported.", ALWAYS, jobs.owners_exist),
)  # fmt: skip
