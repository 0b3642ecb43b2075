"""[quota]: what a new project may use; `iaas-manage quota set` changes it for one project. -1 is unlimited."""

from oslo_config import cfg

GROUP = "quota"
OPTIONS = [
    cfg.IntOpt(name, default=default, min=-1, help=f"{help_}, per project.")
    for name, default, help_ in (
        ("instances", 10, "Servers"),
        ("cores", 20, "Virtual CPUs"),
        ("ram", 51_200, "MiB of memory"),
        ("key_pairs", 100, "Key pairs of one user"),
        ("metadata_items", 128, "Metadata items of one server"),
        ("server_groups", 10, "Server groups"),
        ("server_group_members", 10, "Servers in one group"),
        ("networks", 100, "Networks"),
        ("subnets", 100, "Subnets"),
        ("ports", 500, "Ports"),
        ("security_groups", 10, "Security groups"),
        ("security_group_rules", 100, "Security group rules"),
        ("volumes", 10, "Volumes"),
        ("gigabytes", 1000, "GiB of volumes"),
        ("snapshots", 10, "Volume snapshots"),
    )
]
