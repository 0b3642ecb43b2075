"""Sizes. MiB and GiB are powers of two, as every API here means them."""

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def gib_up(size: int) -> int:
    """Return the bytes ``size`` as whole GiB, rounded up."""
    return -(-size // GIB)


def human(size: float) -> str:
    """Return bytes as a person writes them: ``human(1536) == '1.5 KiB'``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
