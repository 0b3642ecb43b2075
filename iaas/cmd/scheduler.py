"""`iaas-scheduler`: places servers and volumes on hosts."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-scheduler", "places servers and volumes on hosts", parts.scheduler)


if __name__ == "__main__":
    main()
