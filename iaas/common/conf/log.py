"""[log]: what the daemons write."""

from oslo_config import cfg

GROUP = "log"
OPTIONS = [
    cfg.StrOpt(
        "level",
        default="info",
        choices=["debug", "info", "warning", "error"],
        help="The least level written.",
    ),
    cfg.StrOpt(
        "format",
        default="text",
        choices=["text", "json"],
        help="One line of text or one JSON object a record.",
    ),
    cfg.StrOpt("file", default="", help="File to append to; empty writes to standard error."),
]
