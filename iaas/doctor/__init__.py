"""The doctor: says whether a cloud is sound, by invariants, and what to do where it is not.

It reads the controller's rows at one moment and is told what hosts, stores and queues really hold::

    findings = examine(db, Truth(hosts={"node1": HostTruth(guests={...})}), quiet=True)

``iaas-manage doctor``, the simulator and the kill matrix judge clouds by it.  See docs/doctor.md.
"""

from iaas.doctor.examine import Diagnosis, Unchecked, diagnose, examine, needs
from iaas.doctor.findings import Finding, HostTruth, Truth, counted, host_truth, merged

__all__ = [
    "Diagnosis",
    "Finding",
    "HostTruth",
    "Truth",
    "Unchecked",
    "counted",
    "diagnose",
    "examine",
    "host_truth",
    "merged",
    "needs",
]
