"""[admin]: the port of every daemon that says how it is: /healthz, /metrics, /truth."""

from oslo_config import cfg

GROUP = "admin"
#: daemon → its port; the whole cloud in one process has one
PORTS = {
    "identity": 9470, "image": 9471, "api": 9472, "scheduler": 9473, "compute": 9474, "network": 9475,
    "volume": 9476, "console": 9477, "all": 9478,
}  # fmt: skip
OPTIONS = [
    cfg.BoolOpt("enabled", default=True, help="Whether a daemon has an admin port."),
    cfg.HostAddressOpt(
        "listen",
        default="127.0.0.1",
        help="Address of the admin port; where monitoring of other hosts asks, an address of the management network.",
    ),
    *(
        cfg.PortOpt(f"{name}_port", default=port, help=f"Admin port of iaas-{name}; 0 lets the kernel choose.")
        for name, port in PORTS.items()
    ),
]
