"""`iaas-network`: carries the networks of one host."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-network", "carries the networks of one host", parts.network)


if __name__ == "__main__":
    main()
