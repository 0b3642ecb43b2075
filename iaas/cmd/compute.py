"""`iaas-compute`: runs the guests of one host."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-compute", "runs the guests of one host", parts.compute)


if __name__ == "__main__":
    main()
