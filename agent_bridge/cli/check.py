"""``agent-bridge init --check``: compares config.yaml and registration.yaml with this version. It needs no network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Any

from agent_bridge.cli.file_checks import is_exposed, read_registration, stale_keys
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.config.load import INIT, examine, read_bytes
from agent_bridge.config.types import ENVIRONMENT, Origin
from agent_bridge.config.upgrade import upgrade
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from agent_bridge.config.load import Examined
    from agent_bridge.config.model import Config

#: A token that init writes has 64 characters.
_SHORTEST, _FEWEST = 32, 12
_TOKENS = ("as_token", "hs_token")
#: The key whose value encrypts the keys of devices.
_OF_KEYS = "encryption.secret"
_REGISTRATION = "agent-bridge registration --force; then restart Synapse"


class Severity(StrEnum):
    """The weight of a finding."""

    #: The bridge does not start with it.
    FAULT = "fault"
    #: It works, and should be changed.
    CHANGE = "change"
    #: Nothing has to be changed.
    HINT = "hint"


class Status(StrEnum):
    """The result of a check."""

    UNCHANGED = "unchanged"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    MISSING = "missing"
    CHANGES = "changes"


_EXIT_CODES = {Status.UNCHANGED: 0, Status.UNREADABLE: 1, Status.INVALID: 2, Status.MISSING: 3, Status.CHANGES: 4}
_MARKS = {Severity.FAULT: "FAIL", Severity.CHANGE: "TODO", Severity.HINT: "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One fault or difference. It shows no value of the configuration."""

    severity: Severity
    #: Name of the kind, which never changes.
    code: str
    #: The cause; a fault of a file has the form ``file:line: key: fault``.
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" → {self.remedy}" if self.remedy else ""
        return f"{_MARKS[self.severity]}  {self.text}{remedy}"


@dataclass(frozen=True, slots=True)
class InitCheck:
    """The result of the command."""

    status: Status
    config: str
    registration: str
    findings: list[CheckFinding] = field(default_factory=list)
    #: Keys of this version that the file does not have, not even as comments. They have their defaults.
    new_keys: list[str] = field(default_factory=list)
    #: Variables of the environment that the file names and that are not set here. Their values were not checked.
    unset: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code of the command, by the status."""
        return _EXIT_CODES[self.status]

    @property
    def text(self) -> str:
        """The result for people."""
        lines = [str(each) for each in self.findings]
        if self.unset:
            lines.append(f"{_MARKS[Severity.HINT]}  not set here, so not checked: {', '.join(self.unset)}")
        if self.new_keys:
            add = "agent-bridge config upgrade --add-new adds them as comments"
            lines.append(f"{_MARKS[Severity.HINT]}  keys that the file does not have: {len(self.new_keys)} → {add}")
        return "\n".join([*lines, f"{self.status}: {self.config}, {self.registration}"])

    @property
    def json(self) -> str:
        """The result for programs: the fields of this class."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def check_files(config: Path, registration: Path, environ: Mapping[str, str]) -> InitCheck:
    """Compare the files *config* and *registration* with this version of the bridge. Writes nothing.

    A reference ``env:NAME`` to a variable that *environ* lacks is no fault, and is not compared.
    """
    names = (str(config), str(registration))
    unset: set[str] = set()
    try:
        content = read_bytes(config, INIT)
        found = examine(config, content, Origin(config.absolute().parent, environ, unset=unset))
    except ConfigError as error:
        status = _cause(error)
        text, remedy = str(error), ""
        if status is Status.MISSING:
            text, remedy = text.removesuffix(f"; {INIT}"), "agent-bridge init writes both files"
        finding = CheckFinding(severity=Severity.FAULT, code=status.value, text=text, remedy=remedy)
        return InitCheck(status, *names, [finding])
    findings = [*_old_names(found), *_faults(found)]
    tokens: list[_Token] = []
    if found.config is not None:
        findings += [*_exposed(config), *_agents(found.config, config)]
        tokens += _tokens(found.config)
    try:
        registered, problems = _registration(registration)
    except OSError as error:
        text = f"{registration}: cannot be read: {error.strerror}"
        finding = CheckFinding(severity=Severity.FAULT, code="unreadable", text=text)
        return InitCheck(Status.UNREADABLE, *names, [*findings, *_weak(tokens), finding])
    tokens += _registered_tokens(registration, registered, found.config)
    findings += [*_weak(tokens), *problems]
    if not problems:
        findings += _exposed(registration)
        findings += [] if found.config is None else _compared(registration, registered, found.config)
    return InitCheck(_status(findings), *names, findings, _new_keys(found, content), sorted(unset))


def _cause(error: ConfigError) -> Status:
    """Return why a file could not be examined."""
    match error.__context__:
        case FileNotFoundError():
            return Status.MISSING
        case OSError():
            return Status.UNREADABLE
        case _:
            return Status.INVALID


def _new_keys(found: Examined, content: bytes) -> list[str]:
    if found.config is None:
        return []
    try:
        result = upgrade(found.path, content, found.document, add_new=True)
    except ConfigError:
        # A key under its old name has to be renamed by hand first.
        return []
    return [each.key for each in result.changes if each.action == "added"] + list(result.left_out)


def _status(findings: list[CheckFinding]) -> Status:
    severities = {each.severity for each in findings}
    if Severity.FAULT in severities:
        return Status.INVALID
    return Status.CHANGES if Severity.CHANGE in severities else Status.UNCHANGED


def _old_names(found: Examined) -> Iterator[CheckFinding]:
    for line, warning in found.old_names:
        text = f"{found.path}:{line}: {warning}"
        yield CheckFinding(severity=Severity.CHANGE, code="old_name", text=text, remedy="agent-bridge config upgrade")


def _faults(found: Examined) -> Iterator[CheckFinding]:
    for line, fault in found.faults:
        yield CheckFinding(severity=Severity.FAULT, code="fault", text=f"{found.path}:{line}: {fault}")


def _exposed(path: Path) -> Iterator[CheckFinding]:
    if is_exposed(path):
        text = f"{path} can be read by other users"
        yield CheckFinding(severity=Severity.CHANGE, code="permissions", text=text, remedy=f"chmod 600 {path}")


def _agents(config: Config, path: Path) -> Iterator[CheckFinding]:
    """Yield the faults of the file with agents; those of a list in the configuration are known already."""
    if config.agents_file is None:
        return
    try:
        AgentsSource(config, path).read()
    except ConfigError as error:
        for line in str(error).splitlines():
            yield CheckFinding(severity=Severity.FAULT, code="fault", text=line)


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of a file."""

    name: str
    value: str = field(repr=False)
    #: The key of the configuration from which it comes.
    key: str

    @property
    def severity(self) -> Severity:
        """The weight of a fault of it: people are warned after a change of the value that encrypts keys."""
        return Severity.HINT if self.key == _OF_KEYS else Severity.CHANGE

    @property
    def remedy(self) -> str:
        """The steps that replace it."""
        new = f"set {self.key} to the output of: openssl rand -hex 32"
        if self.key == _OF_KEYS:
            return f"{new}; people who have encrypted rooms are warned then that the keys of agents have changed"
        return f"{new}; then {_REGISTRATION}" if self.key.startswith("appservice.") else new


def _tokens(config: Config) -> Iterator[_Token]:
    """Yield the tokens of *config* that are known here: neither those of servers, nor references that are not set."""
    service, metrics, encryption = config.appservice, config.metrics, config.encryption
    given = {f"appservice.{name}": getattr(service, name) for name in _TOKENS}
    given |= {f"upstreams[{at}].webhook_token": each.webhook_token for at, each in enumerate(config.upstreams)}
    given |= {"metrics.token": metrics.token, _OF_KEYS: encryption.secret}
    for key, secret in given.items():
        if secret is not None and _is_known(secret):
            yield _Token(key, secret.get_secret_value(), key)


def _registered_tokens(path: Path, found: Any, config: Config | None) -> Iterator[_Token]:
    """Yield the tokens of the registration *found* that *config* does not tell: all others have to be the same."""
    for name in _TOKENS:
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, str) and not (config is not None and _is_known(getattr(config.appservice, name))):
            yield _Token(f"{path}: {name}", value, f"appservice.{name}")


def _is_known(secret: SecretStr) -> bool:
    return not secret.get_secret_value().startswith(ENVIRONMENT)


def _weak(tokens: Sequence[_Token]) -> Iterator[CheckFinding]:
    """Yield a finding for each token that can be guessed, or that has two uses."""
    for each in tokens:
        if len(each.value) < _SHORTEST or len(set(each.value)) < _FEWEST:
            text = f"{each.name} can be guessed: it has fewer than {_SHORTEST} characters, or few different ones"
            yield CheckFinding(severity=each.severity, code="weak_token", text=text, remedy=each.remedy)
    # The value that encrypts keys derives from a token by default, so it may be one.
    for one, other in combinations((each for each in tokens if each.key != _OF_KEYS), 2):
        if one.value == other.value:
            text = f"{one.name} and {other.name} are the same"
            yield CheckFinding(severity=Severity.CHANGE, code="equal_tokens", text=text, remedy=other.remedy)


def _registration(path: Path) -> tuple[Any, list[CheckFinding]]:
    """Return the content of the registration *path*, and the reason why there is none.

    Raises:
        OSError: the registration exists, and cannot be read.
    """
    try:
        return read_registration(path), []
    except FileNotFoundError:
        text, remedy = f"{path}: does not exist", "agent-bridge registration; then list it in homeserver.yaml"
        return None, [CheckFinding(severity=Severity.CHANGE, code="registration_missing", text=text, remedy=remedy)]
    except ConfigError as error:
        code = "registration_invalid"
        return None, [CheckFinding(severity=Severity.CHANGE, code=code, text=str(error), remedy=_REGISTRATION)]


def _compared(path: Path, found: Any, config: Config) -> Iterator[CheckFinding]:
    """Yield the differences between *found*, the content of the registration *path*, and *config*."""
    unknown = [name for name in _TOKENS if not _is_known(getattr(config.appservice, name))]
    if stale := stale_keys(found, config, unknown):
        text = f"{path} differs from the configuration: {', '.join(stale)}"
        yield CheckFinding(severity=Severity.CHANGE, code="registration_differs", text=text, remedy=_REGISTRATION)
    if unknown:
        text = f"{path}: not compared, because the configuration names a variable that is not set: {', '.join(unknown)}"
        yield CheckFinding(severity=Severity.HINT, code="not_compared", text=text)
