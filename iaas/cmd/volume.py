"""`iaas-volume`: keeps the volumes of one back-end."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-volume", "keeps the volumes of one back-end", parts.volume)


if __name__ == "__main__":
    main()
