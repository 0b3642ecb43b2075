"""Parts of the guest image builder: packages from apt, the initramfs, the disk; `root/` is what the guest runs."""
