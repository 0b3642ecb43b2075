"""[image]: the image service, and how the others reach it."""

from oslo_config import cfg

GROUP = "image"
OPTIONS = [
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the image service listens on."),
    cfg.PortOpt("port", default=9292, help="Port of Image v2."),
    cfg.StrOpt("url", default="http://127.0.0.1:9292", help="Where the other services reach the image service."),
    cfg.StrOpt("store_dir", default="/var/lib/iaas/images", help="Folder of the file store."),
    cfg.IntOpt("max_size_gb", default=1024, min=1, help="GiB of the largest image."),
    cfg.IntOpt("max_uploads", default=16, min=1, help="Uploads at the same time; more are answered 503."),
    cfg.IntOpt("max_project_images", default=10_000, min=-1, help="Images one project may have; -1 is unlimited."),
    cfg.IntOpt("max_project_gb", default=-1, min=-1, help="GiB of images one project may store; -1 is unlimited."),
    cfg.FloatOpt("cache_seconds", default=10.0, min=0, max=300, help="Seconds the controller trusts an image's facts."),
]
