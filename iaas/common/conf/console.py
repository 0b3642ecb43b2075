"""[console]: the console proxy."""

from oslo_config import cfg

GROUP = "console"
OPTIONS = [
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the console proxy listens on."),
    cfg.PortOpt("port", default=6080, help="Port of the console proxy."),
    cfg.StrOpt(
        "url",
        default="ws://127.0.0.1:6080",
        help="Where clients reach the console proxy; wss:// behind something that ends TLS.",
    ),
    cfg.StrOpt(
        "novnc_url",
        default="",
        help="A noVNC page, such as https://HOST/novnc/vnc.html: the URL of a VNC console then opens in a browser. "
        "Empty: the URL is that of the WebSocket itself.",
    ),
    cfg.ListOpt(
        "allowed_origins",
        default=[],
        help="Origins of the pages that may open consoles, such as https://HOST:8443; those of url and novnc_url may.",
    ),
    cfg.BoolOpt(
        "require_origin",
        default=True,
        help="Refuse clients that send no Origin; browsers always do, command line clients may not.",
    ),
    cfg.IntOpt("token_lifetime", default=600, min=10, max=86_400, help="Seconds a console URL may be used, once."),
    cfg.IntOpt(
        "idle_timeout",
        default=3600,
        min=5,
        max=86_400,
        help="Seconds until a console on which nothing happens is ended.",
    ),
    cfg.IntOpt("max_clients", default=500, min=1, help="Consoles one proxy serves at the same time."),
]
