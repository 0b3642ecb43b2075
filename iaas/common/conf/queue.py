"""[queue]: the message queue between daemons."""

from oslo_config import cfg

GROUP = "queue"
OPTIONS = [
    cfg.StrOpt(
        "url",
        default="memory://",
        secret=True,
        help="amqp://USER:PASSWORD@HOST:PORT/VHOST, or memory:// when all daemons are one process.",
    ),
    cfg.FloatOpt("publish_timeout", default=5.0, min=0.1, max=60, help="Seconds to wait for the broker's confirm."),
    cfg.FloatOpt("call_timeout", default=30.0, min=1, max=600, help="Seconds to wait for the answer to a call."),
    cfg.IntOpt("pool_size", default=32, min=1, max=1000, help="Messages one worker handles at the same time."),
]
