"""Private RabbitMQ, MariaDB and PostgreSQL servers on loopback, for tests and benchmarks.

Each keeps everything it owns under one directory, listens on free ports of 127.0.0.1 and touches nothing the
machine's own servers use.  From the shell::

    tools/private_servers.py --dir /tmp/servers rabbitmq postgresql

starts them, writes ``/tmp/servers/urls.json``, prints the URLs and stops them on Ctrl-C, on SIGTERM, or when
the process ``--until-pid`` names has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_TIMEOUT = 90.0  # an Erlang machine on two busy cores takes its time
STOP_TIMEOUT = 20.0
_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
SEARCH_PATH = ":".join(["/usr/sbin:/usr/bin:/sbin:/bin", *map(str, _POSTGRESQL[-1:])])


class Missing(Exception):
    """A program is not installed; the text names the package that has it."""


class Server:
    """One private server.  ``start`` and ``stop`` may be called again; data stays in ``directory``."""

    name: str
    package: str
    programs: tuple[str, ...]
    account: str  # whom to run as when root

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.port = 0
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process of the server itself."""
        return self._children[-1].pid

    @property
    def running(self) -> bool:
        return bool(self._children) and self._children[-1].poll() is None

    def start(self) -> str:
        """Start it, wait until it serves, and return its URL.

        :raises Missing: it is not installed.
        :raises RuntimeError: it ended, or did not serve in 90 seconds; the text has the end of its log.
        """
        if self.running:
            return self.url
        self._reap()
        for program in self.programs:
            find(program, self.package)
        self.port = self.port or free_port()  # the same one again, so that clients find it
        self._make_directory(self.directory)
        self._prepare()
        try:
            self._launch()
            wait_until(self._serves, START_TIMEOUT, self._why_not)
        except BaseException:
            self.kill()
            raise
        return self.url

    def stop(self) -> None:
        """Ask it to end, and kill it after 20 seconds."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(STOP_TIMEOUT)
        self._reap()

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        self._reap()

    def signal(self, number: int) -> None:
        """Send the server a signal: SIGSTOP and SIGCONT play a broken network."""
        os.kill(self.pid, number)

    def _prepare(self) -> None:
        raise NotImplementedError

    def _launch(self) -> None:
        raise NotImplementedError

    def _serves(self) -> bool:
        raise NotImplementedError

    def _reap(self) -> None:
        for child in reversed(self._children):
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.wait(10)
        self._children.clear()

    def _spawn(self, argv: Sequence[str], env: dict[str, str] | None = None) -> None:
        with (self.directory / "output.log").open("ab") as log:
            child = subprocess.Popen(
                self._as_account([find(argv[0], self.package), *argv[1:]]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(env),
                cwd=self.directory,
                start_new_session=True,
            )
        self._children.append(child)

    def _run(self, argv: Sequence[str], env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            self._as_account([find(argv[0], self.package), *argv[1:]]),
            capture_output=True,
            timeout=START_TIMEOUT,
            check=False,
            env=self._environment(env),
            cwd=self.directory,
        )
        if done.returncode:
            raise RuntimeError(f"{argv[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout.decode(errors="replace")

    def _environment(self, env: dict[str, str] | None) -> dict[str, str]:
        return {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": str(self.directory), **(env or {})}

    def _as_account(self, argv: list[str]) -> list[str]:
        if os.geteuid() != 0:
            return argv
        return ["setpriv", f"--reuid={self.account}", f"--regid={self._gid()}", "--clear-groups", "--", *argv]

    def _gid(self) -> int:
        return pwd.getpwnam(self.account).pw_gid

    def _make_directory(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(path, self.account, grp.getgrgid(self._gid()).gr_name)
            for above in path.parents:
                if not above.stat().st_mode & 0o001:
                    raise RuntimeError(f"{above} is closed to the user {self.account}; use another directory")

    def _why_not(self) -> str:
        log = self.directory / "output.log"
        return f"{self.name} does not serve; its log ends:\n{log.read_bytes()[-2000:].decode(errors='replace')}"


def find(program: str, package: str) -> str:
    """Return the path of a program.

    :raises Missing: it is not installed.
    """
    path = shutil.which(program, path=SEARCH_PATH)
    if path is None:
        raise Missing(f"{program} is not installed: apt-get install {package}")
    return path


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def answers(port: int, hello: bytes = b"") -> bytes:
    """Say ``hello`` to a port and return what comes first, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            sock.sendall(hello)
            return sock.recv(64)
    except OSError:
        return b""


def wait_until(condition: Callable[[], bool], timeout: float, why_not: Callable[[], str]) -> None:
    """Poll until ``condition`` holds.

    :raises RuntimeError: it does not within ``timeout`` seconds; ``why_not`` gives the text.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(why_not())
        time.sleep(0.1)


class RabbitMQ(Server):
    name = "rabbitmq"
    package = "rabbitmq-server"
    programs = ("epmd", "/usr/lib/rabbitmq/bin/rabbitmq-server")
    account = "rabbitmq"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._dist_port = 0
        self._epmd_port = 0

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def ctl(self, *words: str) -> str:
        """Run ``rabbitmqctl`` against it and return what it prints."""
        return self._run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *words], self._env())

    def _prepare(self) -> None:
        self._dist_port = self._dist_port or free_port()
        self._epmd_port = self._epmd_port or free_port()
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(os.urandom(16).hex())
            cookie.chmod(0o400)
            if os.geteuid() == 0:
                shutil.chown(cookie, self.account)
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\n"
            "log.console = false\nlog.file.level = warning\nvm_memory_high_watermark.relative = 0.2\n"
            "disk_free_limit.absolute = 10MB\n"
        )

    def _env(self) -> dict[str, str]:
        base = self.directory
        return {
            "RABBITMQ_NODENAME": f"iaas{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_BASE": str(base),
            "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "plugins"),
            "RABBITMQ_PID_FILE": str(base / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the start script become the server, so its pid is ours
        }

    def _launch(self) -> None:
        self._spawn(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"])
        wait_until(lambda: self._children[0].poll() is None and _connects(self._epmd_port), 20, self._why_not)
        self._spawn(["/usr/lib/rabbitmq/bin/rabbitmq-server"], self._env())

    def _serves(self) -> bool:
        if not self.running:
            raise RuntimeError(self._why_not())
        return answers(self.port, b"AMQP\x00\x00\x09\x01")[:1] == b"\x01"


class MariaDB(Server):
    name = "mariadb"
    package = "mariadb-server"
    programs = ("mariadbd", "mariadb-install-db")
    account = "mysql"

    @property
    def url(self) -> str:
        return f"mysql+pymysql://iaas:iaas@127.0.0.1:{self.port}/iaas?charset=utf8mb4"

    def _prepare(self) -> None:
        (self.directory / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS iaas CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS 'iaas'@'127.0.0.1' IDENTIFIED BY 'iaas';\n"
            "GRANT ALL ON *.* TO 'iaas'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        data = self.directory / "data"
        if not data.exists():
            self._run(
                ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
                 "--auth-root-authentication-method=normal"]
            )  # fmt: skip

    def _launch(self) -> None:
        base = self.directory
        self._spawn(
            ["mariadbd", "--no-defaults", f"--datadir={base / 'data'}", f"--init-file={base / 'init.sql'}",
             "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={base / 'socket'}",
             f"--pid-file={base / 'pid'}", "--skip-networking=0", "--skip-name-resolve",
             "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2"]
        )  # fmt: skip

    def _serves(self) -> bool:
        if not self.running:
            raise RuntimeError(self._why_not())
        return len(answers(self.port)) > 8


class PostgreSQL(Server):
    name = "postgresql"
    package = "postgresql"
    programs = ("initdb", "postgres", "createdb")
    account = "postgres"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://iaas@127.0.0.1:{self.port}/iaas"

    def _prepare(self) -> None:
        data = self.directory / "data"
        if not data.exists():
            self._run(
                ["initdb", "-D", str(data), "-U", "iaas", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
            )

    def _launch(self) -> None:
        base = self.directory
        self._spawn(
            ["postgres", "-D", str(base / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(base),
             "-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB"]
        )  # fmt: skip

    def _serves(self) -> bool:
        if not self.running:
            raise RuntimeError(self._why_not())
        there = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "iaas"]
        try:
            listed = self._run(["psql", *there, "-d", "postgres", "-Atc", "SELECT datname FROM pg_database"])
            if "iaas" not in listed.split():
                self._run(["createdb", *there, "iaas"])
        except RuntimeError:
            return False
        return True


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (RabbitMQ, MariaDB, PostgreSQL)}


def alive(pid: int) -> bool:
    """Whether a process of that id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Start private servers and stop them at the end.")
    parser.add_argument("--dir", type=Path, required=True, help="directory for all they own")
    parser.add_argument("--until-pid", type=int, help="stop when this process has ended")
    parser.add_argument("--clean", action="store_true", help="remove the directory at the end")
    parser.add_argument("servers", nargs="+", choices=sorted(KINDS))
    asked = parser.parse_args(argv)
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ended.append(got))
    servers = [KINDS[name](asked.dir / name) for name in asked.servers]
    try:
        urls = {server.name: server.start() for server in servers}
        done = asked.dir / "urls.json.new"
        done.write_text(json.dumps(urls))
        done.rename(asked.dir / "urls.json")
        print(json.dumps(urls), flush=True)
        while not ended and (asked.until_pid is None or alive(asked.until_pid)):
            time.sleep(0.5)
    except (Missing, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.stop()
        if asked.clean:
            shutil.rmtree(asked.dir, ignore_errors=True)
            with contextlib.suppress(OSError):
                asked.dir.parent.rmdir()  # the last of its session
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
