"""[scheduler]: how servers are placed."""

from oslo_config import cfg

GROUP = "scheduler"
OPTIONS = [
    cfg.StrOpt(
        "policy",
        default="filter",
        choices=["filter", "chance", "simple", "zone"],
        help="How a host is chosen.",
    ),
    cfg.FloatOpt("cpu_ratio", default=16.0, min=0.1, max=1000, help="Virtual CPUs sold for each real one."),
    cfg.FloatOpt("ram_ratio", default=1.0, min=0.1, max=100, help="MiB of memory sold for each real one."),
    cfg.FloatOpt("disk_ratio", default=1.0, min=0.1, max=100, help="GiB of disk sold for each real one."),
    cfg.FloatOpt(
        "down_after", default=60.0, min=2, max=3600, help="Seconds without a heartbeat before a host is down."
    ),
    cfg.IntOpt("top", default=5, min=1, max=100, help="The best hosts among which one is drawn."),
    cfg.IntOpt("max_tries", default=3, min=1, max=20, help="Hosts a build is tried on before it fails."),
]
