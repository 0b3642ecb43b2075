"""[api]: the HTTP edges of the controller."""

from oslo_config import cfg

GROUP = "api"
OPTIONS = [
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address every API of this process listens on."),
    cfg.ListOpt(
        "enabled",
        default=["compute", "ec2", "metadata", "volume", "network"],
        help="Which APIs iaas-api serves: any of compute, ec2, metadata, volume, network.",
    ),
    cfg.PortOpt("compute_port", default=8774, help="Port of Compute v2.1."),
    cfg.PortOpt("ec2_port", default=8773, help="Port of the EC2 API."),
    cfg.PortOpt("metadata_port", default=8775, help="Port of the metadata API."),
    cfg.PortOpt("volume_port", default=8776, help="Port of Block Storage v3."),
    cfg.PortOpt("network_port", default=9696, help="Port of Network v2.0."),
    cfg.StrOpt(
        "public_host",
        default="127.0.0.1",
        help="Host name or address clients reach this cloud by; links and the catalog are built from it.",
    ),
    cfg.StrOpt(
        "public_scheme",
        default="http",
        choices=["http", "https"],
        help="How clients reach this cloud: https where a proxy in front of it ends TLS.",
    ),
    cfg.StrOpt("paste_file", default="", help="A paste.deploy file to use in place of the one in the package."),
    cfg.StrOpt("policy_file", default="", help="An oslo.policy YAML file whose rules replace the defaults."),
    cfg.IntOpt("max_body", default=114_688, min=1024, help="Bytes of the largest request body (uploads apart)."),
    cfg.IntOpt("max_page", default=1000, min=1, max=10_000, help="Rows of the longest page of any list."),
    cfg.IntOpt("max_clients", default=1000, min=10, help="Connections one API serves at the same time."),
]
