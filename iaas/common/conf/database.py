"""[database]: the controller's SQL database."""

from oslo_config import cfg

GROUP = "database"
OPTIONS = [
    cfg.StrOpt(
        "url",
        default="sqlite:////var/lib/iaas/controller.sqlite",
        secret=True,
        help="SQLAlchemy URL of the controller's database: sqlite:///PATH, mysql+pymysql://… or postgresql+psycopg2://…",
    ),
    cfg.StrOpt(
        "identity_url",
        default="sqlite:////var/lib/iaas/identity.sqlite",
        secret=True,
        help="SQLAlchemy URL of the identity service's own database.",
    ),
    cfg.StrOpt(
        "image_url",
        default="sqlite:////var/lib/iaas/image.sqlite",
        secret=True,
        help="SQLAlchemy URL of the image service's own database.",
    ),
    cfg.IntOpt("pool_size", default=20, min=1, max=500, help="Connections to a server database, per process."),
    cfg.FloatOpt(
        "pool_timeout",
        default=2.0,
        min=0.1,
        max=60,
        help="Seconds a request waits for a connection before it is answered 503.",
    ),
    cfg.FloatOpt("connect_timeout", default=5.0, min=1, max=60, help="Seconds to connect to a server database."),
    cfg.FloatOpt("statement_timeout", default=30.0, min=1, max=600, help="Seconds one statement may run."),
]
