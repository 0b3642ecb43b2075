"""[jobs]: the job engine."""

from oslo_config import cfg

GROUP = "jobs"
OPTIONS = [
    cfg.FloatOpt("lease", default=30.0, min=2, max=600, help="Seconds a claimed job stays with its worker unrenewed."),
    cfg.FloatOpt("renew_every", default=10.0, min=0.5, max=200, help="Seconds between two renewals of a running job."),
    cfg.FloatOpt(
        "sweep_every",
        default=5.0,
        min=0.5,
        max=60,
        help="Seconds between two sweeps for jobs nobody rang for.",
    ),
    cfg.IntOpt("sweep_limit", default=50, min=1, max=1000, help="Jobs one sweep takes on."),
    cfg.IntOpt("max_pending", default=10_000, min=1, help="Live jobs in the cloud before new ones are answered 503."),
    cfg.IntOpt("max_pending_per_project", default=2_000, min=1, help="Live jobs of one project before 503."),
    cfg.FloatOpt(
        "stuck_after",
        default=300.0,
        min=1,
        max=86_400,
        help="Seconds a call of a driver may be late before the worker ends itself, to be started anew.",
    ),
    cfg.IntOpt(
        "keep_ended_days",
        default=90,
        min=1,
        max=36_500,
        help="Days a job that ended is kept when its resource is gone.",
    ),
    cfg.FloatOpt("drain_seconds", default=30.0, min=1, max=300, help="Seconds a worker that ends lets steps finish."),
]
