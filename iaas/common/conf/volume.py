"""[volume]: the volume worker."""

from oslo_config import cfg

GROUP = "volume"
OPTIONS = [
    cfg.StrOpt("driver", default="file", help="Volume driver: file, fake, or one installed as a plugin."),
    cfg.StrOpt("state_dir", default="/var/lib/iaas/volumes", help="Folder of file-backed volumes."),
    cfg.StrOpt("type", default="__DEFAULT__", help="Name of the volume type this back-end serves."),
]
