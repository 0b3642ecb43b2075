"""`iaas-identity`: the identity service."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-identity", "the identity service", parts.identity)


if __name__ == "__main__":
    main()
