"""[network]: the network worker."""

from oslo_config import cfg

GROUP = "network"
OPTIONS = [
    cfg.StrOpt("driver", default="flat", help="Network driver: flat, fake, or one installed as a plugin."),
    cfg.StrOpt("state_dir", default="/var/lib/iaas/network", help="Folder of DHCP files and leases."),
    cfg.StrOpt("namespace", default="", help="Network namespace everything is put in; empty is the host's own."),
    cfg.StrOpt("uplink", default="", help="Interface that leads out; guests are translated to its address."),
    cfg.ListOpt("dns", default=[], help="Name servers told to guests; empty tells the bridge's own address."),
    cfg.StrOpt("domain", default="novalocal", help="DNS domain told to guests."),
    cfg.IntOpt("lease_seconds", default=86_400, min=60, help="Seconds of a DHCP lease."),
    cfg.StrOpt("metadata_url", default="http://127.0.0.1:8775", help="Where the relay reaches the metadata API."),
    cfg.StrOpt("metadata_secret", default="", secret=True, help="Secret shared by the relay and the metadata API."),
    cfg.FloatOpt("converge_every", default=30.0, min=1, max=3600, help="Seconds between two full comparisons."),
]
