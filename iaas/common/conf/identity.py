"""[identity]: the identity service, and how the others reach it."""

from oslo_config import cfg

GROUP = "identity"
OPTIONS = [
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the identity service listens on."),
    cfg.PortOpt("port", default=5000, help="Port of Identity v3."),
    cfg.StrOpt("url", default="http://127.0.0.1:5000", help="Where the other services reach the identity service."),
    cfg.StrOpt("region", default="RegionOne", help="Name of this region in the catalog."),
    cfg.StrOpt("username", default="iaas", help="User the services log in with."),
    cfg.StrOpt("password", default="", secret=True, help="That user's password."),
    cfg.StrOpt("project", default="service", help="Project the services log in to."),
    cfg.StrOpt("key_dir", default="/etc/iaas/fernet-keys", help="Folder of the token keys."),
    cfg.StrOpt("credential_key_dir", default="/etc/iaas/credential-keys", help="Folder of the credential keys."),
    cfg.IntOpt("token_lifetime", default=3600, min=60, max=86_400 * 30, help="Seconds a token lives."),
    cfg.IntOpt("max_keys", default=5, min=3, max=100, help="Token keys kept after a rotation."),
    cfg.FloatOpt(
        "cache_seconds",
        default=10.0,
        min=0,
        max=10,
        help="Seconds another service may trust a token it has validated; 0 asks each time.",
    ),
    cfg.IntOpt("argon2_memory_kib", default=19_456, min=8_192, help="KiB of memory one password hash takes."),
    cfg.IntOpt("argon2_time", default=2, min=1, max=20, help="Passes of one password hash."),
    cfg.IntOpt("hash_workers", default=2, min=1, max=64, help="Passwords hashed at the same time; others wait."),
    cfg.IntOpt("hash_queue", default=100, min=1, help="Log-ins that may wait for a hash before 503 is answered."),
    cfg.FloatOpt("clock_skew", default=900.0, min=1, max=900, help="Seconds a SigV4 signature may be off."),
]
