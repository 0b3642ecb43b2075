"""Guests on QEMU, with KVM or without, through libvirt."""
