"""`iaas-console`: serves one-time console URLs, WebSocket to VNC and serial."""

import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

from iaas.cmd import daemon, parts


def main() -> None:
    daemon.main("iaas-console", "serves one-time console URLs: WebSocket to the screens of servers", parts.console)


if __name__ == "__main__":
    main()
