"""[console]: the console proxy."""

from oslo_config import cfg

GROUP = "console"
OPTIONS = [
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the console proxy listens on."),
    cfg.PortOpt("port", default=6080, help="Port of the console proxy."),
    cfg.StrOpt("url", default="ws://127.0.0.1:6080", help="Where clients reach the console proxy."),
    cfg.IntOpt("token_lifetime", default=600, min=10, max=86_400, help="Seconds a console URL may be used, once."),
]
