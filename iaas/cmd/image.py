"""`iaas-image`: the image service."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-image", "the image service", parts.image)


if __name__ == "__main__":
    main()
