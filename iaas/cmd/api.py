"""`iaas-api`: the controller's APIs."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-api", "the controller's APIs", parts.api)


if __name__ == "__main__":
    main()
