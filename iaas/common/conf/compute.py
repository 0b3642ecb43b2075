"""[compute]: the compute worker."""

from oslo_config import cfg

GROUP = "compute"
OPTIONS = [
    cfg.StrOpt("host", default="", help="Name of this host; empty takes the machine's."),
    cfg.StrOpt("driver", default="libvirt", help="Hypervisor driver: libvirt, fake, or one installed as a plugin."),
    cfg.StrOpt("zone", default="nova", help="Availability zone of this host."),
    cfg.StrOpt("state_dir", default="/var/lib/iaas/compute", help="Folder of disks, image cache and console logs."),
    cfg.IntOpt("reserved_memory_mb", default=512, min=0, help="MiB of memory kept for the host itself."),
    cfg.IntOpt("cache_max_gb", default=50, min=1, help="GiB the image cache may take before the oldest go."),
    cfg.FloatOpt("heartbeat_every", default=10.0, min=1, max=60, help="Seconds between two heartbeats of a worker."),
    cfg.FloatOpt(
        "shutdown_timeout",
        default=60.0,
        min=0,
        max=600,
        help="Seconds a guest gets to answer its power button.",
    ),
    cfg.HostAddressOpt(
        "agent_listen", default="127.0.0.1", help="Address this host serves console logs and consoles on."
    ),
    cfg.PortOpt("agent_port", default=8779, help="Port of the same; 0 lets the kernel choose."),
    cfg.StrOpt(
        "agent_secret", default="", secret=True, help="Secret shared by the API, the console proxy and every agent."
    ),
    cfg.StrOpt("libvirt_uri", default="qemu:///system", help="The libvirt to use."),
    cfg.StrOpt(
        "virt_type",
        default="auto",
        choices=["auto", "kvm", "qemu"],
        help="auto boots a self-test guest once.",
    ),
    cfg.StrOpt("libvirt_private_dir", default="", help="Start a libvirtd of our own with its state in this folder."),
    cfg.StrOpt("libvirt_namespace", default="", help="Network namespace the libvirtd of our own runs in."),
    cfg.StrOpt("libvirt_user", default="libvirt-qemu", help="System user QEMU runs as, as in qemu.conf."),
    cfg.IntOpt("fake_vcpus", default=4096, min=1, help="Virtual CPUs of the fake hypervisor."),
    cfg.IntOpt("fake_memory_mb", default=16_777_216, min=1, help="MiB of memory of the fake hypervisor."),
    cfg.IntOpt("fake_disk_gb", default=1_048_576, min=1, help="GiB of disk of the fake hypervisor."),
]
