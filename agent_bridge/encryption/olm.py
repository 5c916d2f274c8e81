"""The interface of python-olm, as far as mautrix uses it, on vodozemac.

python-olm binds libolm, which is no longer maintained and has packages for few systems. vodozemac is its successor
(Matrix specification, "End-to-End Encryption"). Names and signatures are those of python-olm. Each error is one of
the three that python-olm raises.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Self

import vodozemac
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from unpaddedbase64 import decode_base64, encode_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The type of a message that begins an Olm session (Olm specification, "Message format").
_PRE_KEY = 0
_NORMAL = 1
_ERRORS = (
    vodozemac.DecodeException,
    vodozemac.KeyException,
    vodozemac.MegolmDecryptionException,
    vodozemac.OlmDecryptionException,
    vodozemac.OlmEncryptionException,
    vodozemac.PickleException,
    vodozemac.SessionCreationException,
    vodozemac.SessionKeyDecodeException,
    # A text that is no UTF-8, and base64 that is none.
    ValueError,
)


class OlmAccountError(Exception):
    """An account cannot be restored."""


class OlmSessionError(Exception):
    """A session cannot be made or restored, or does not fit a message."""


class OlmGroupSessionError(Exception):
    """A Megolm session cannot be made or restored, or does not fit a message."""


class OlmMessage:
    """A message of an established session. *ciphertext*: unpadded base64."""

    def __init__(self, ciphertext: str) -> None:
        self.ciphertext = ciphertext


class OlmPreKeyMessage(OlmMessage):
    """A message that begins a session."""


class _Stored:
    """An object of vodozemac, whose state can be stored."""

    #: The class of :attr:`inner`, and the error if a stored state cannot be restored.
    _kind: ClassVar[Any]
    _error: ClassVar[type[Exception]]
    #: Some stubs of vodozemac are not complete.
    inner: Any

    def pickle(self, passphrase: str = "") -> bytes:
        """Return the state, encrypted with a key that is derived from *passphrase*."""
        return bytes(self.inner.pickle(_key(passphrase)), "ascii")

    @classmethod
    def from_pickle(cls, pickle: bytes, passphrase: str = "") -> Self:
        """Restore the object of a state from :meth:`pickle`."""
        restored = cls.__new__(cls)
        try:
            restored.inner = cls._kind.from_pickle(pickle.decode(), _key(passphrase))
        except _ERRORS as error:
            raise cls._error(_words(error)) from error
        return restored


class Account(_Stored):
    """The identity keys and one-time keys of a device."""

    _kind, _error = vodozemac.Account, OlmAccountError

    def __init__(self) -> None:
        self.inner = vodozemac.Account()

    @property
    def identity_keys(self) -> Mapping[str, str]:
        """The public identity keys by algorithm, in unpadded base64."""
        return {
            "ed25519": self.inner.ed25519_key.to_base64(),
            "curve25519": self.inner.curve25519_key.to_base64(),
        }

    @property
    def max_one_time_keys(self) -> int:
        """The number of one-time keys that the account can hold."""
        return int(self.inner.max_number_of_one_time_keys)

    @property
    def one_time_keys(self) -> Mapping[str, Mapping[str, str]]:
        """The one-time keys that are not published yet, by algorithm and key id."""
        return {"curve25519": {key_id: key.to_base64() for key_id, key in self.inner.one_time_keys.items()}}

    @property
    def fallback_keys(self) -> Mapping[str, str]:
        """The fallback key that is not published yet, by key id; empty without one."""
        return {key_id: key.to_base64() for key_id, key in self.inner.fallback_key.items()}

    def generate_one_time_keys(self, count: int) -> None:
        """Make *count* further one-time keys."""
        self.inner.generate_one_time_keys(count)

    def generate_fallback_key(self) -> None:
        """Make a key for others who find no one-time key left. The one before it still works."""
        self.inner.generate_fallback_key()

    def mark_keys_as_published(self) -> None:
        """Remember that the homeserver has the one-time keys and the fallback key."""
        self.inner.mark_keys_as_published()

    def remove_one_time_keys(self, ratchet: Session) -> None:
        """Do nothing: vodozemac has removed the one-time key with the making of the session."""

    def sign(self, message: str | bytes) -> str:
        """Return the signature of *message*, in unpadded base64."""
        return str(self.inner.sign(_bytes(message)).to_base64())


class Session(_Stored):
    """An Olm session with another device."""

    _kind, _error = vodozemac.Session, OlmSessionError
    #: The message that began the session and its plaintext, until it is asked for: vodozemac decrypts it with the
    #: making of the session, and never again.
    first: tuple[str, str] | None = None

    @property
    def id(self) -> str:
        """The session id, the same on both sides."""
        return str(self.inner.session_id)

    def describe(self) -> str:
        """Return a text for logs."""
        return f"Olm session {self.id}"

    def matches(self, message: OlmPreKeyMessage) -> bool:
        """Tell whether *message* began this session."""
        try:
            return bool(self.inner.session_matches(vodozemac.PreKeyMessage.from_base64(message.ciphertext)))
        except _ERRORS:
            return False

    def encrypt(self, plaintext: str) -> OlmMessage:
        """Encrypt *plaintext*; the type of the result tells whether the other side has answered yet."""
        kind, ciphertext = self.inner.encrypt(plaintext.encode()).to_parts()
        return (OlmPreKeyMessage if kind == _PRE_KEY else OlmMessage)(encode_base64(ciphertext))

    def decrypt(self, message: OlmMessage) -> str:
        """Return the plaintext of *message*, once.

        Raises:
            OlmSessionError: the session has no key for it (any more).
        """
        if self.first is not None and self.first[0] == message.ciphertext:
            (_, plaintext), self.first = self.first, None
            return plaintext
        kind = _PRE_KEY if isinstance(message, OlmPreKeyMessage) else _NORMAL
        try:
            parts = vodozemac.AnyOlmMessage.from_parts(kind, decode_base64(message.ciphertext))
            return bytes(self.inner.decrypt(parts)).decode()
        except _ERRORS as error:
            raise OlmSessionError(_words(error)) from error

    def pickle(self, passphrase: str = "") -> bytes:
        """Return the state as :meth:`_Stored.pickle`, and the unread first message.

        The plaintext of the first message is in the clear, until it has been read.
        """
        return json.dumps([super().pickle(passphrase).decode(), self.first]).encode()

    @classmethod
    def from_pickle(cls, pickle: bytes, passphrase: str = "") -> Self:
        """Restore a session from :meth:`pickle`."""
        try:
            state, first = json.loads(pickle)
            session = super().from_pickle(str(state).encode(), passphrase)
            session.first = None if first is None else (str(first[0]), str(first[1]))
        except (ValueError, TypeError) as error:
            raise OlmSessionError(_words(error)) from error
        return session


class InboundSession(Session):
    """A session that another device began with *message*."""

    def __init__(self, account: Account, message: OlmPreKeyMessage, identity_key: str) -> None:
        try:
            sender = vodozemac.Curve25519PublicKey.from_base64(identity_key)
            first = vodozemac.PreKeyMessage.from_base64(message.ciphertext)
            self.inner, plaintext = account.inner.create_inbound_session(sender, first)
            self.first = message.ciphertext, bytes(plaintext).decode()
        except _ERRORS as error:
            raise OlmSessionError(_words(error)) from error


class OutboundSession(Session):
    """A session that this device begins with one of the other device's one-time keys."""

    def __init__(self, account: Account, identity_key: str, one_time_key: str) -> None:
        try:
            self.inner = account.inner.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(identity_key),
                vodozemac.Curve25519PublicKey.from_base64(one_time_key),
            )
        except _ERRORS as error:
            raise OlmSessionError(_words(error)) from error


class _GroupSession(_Stored):
    """A Megolm session."""

    _error = OlmGroupSessionError

    @property
    def id(self) -> str:
        """The session id."""
        return str(self.inner.session_id)


class OutboundGroupSession(_GroupSession):
    """A Megolm session with which this device encrypts the messages of a room."""

    _kind = vodozemac.GroupSession

    def __init__(self) -> None:
        self.inner = vodozemac.GroupSession()

    @property
    def message_index(self) -> int:
        """The index of the next message."""
        return int(self.inner.message_index)

    @property
    def session_key(self) -> str:
        """The key for those who may read the messages from the next one on."""
        return str(self.inner.session_key.to_base64())

    def encrypt(self, plaintext: str) -> str:
        """Return the ciphertext of *plaintext*, in unpadded base64."""
        return str(self.inner.encrypt(plaintext.encode()).to_base64())


class InboundGroupSession(_GroupSession):
    """A Megolm session with which another device encrypts the messages of a room."""

    _kind = vodozemac.InboundGroupSession

    def __init__(self, session_key: str) -> None:
        try:
            self.inner = vodozemac.InboundGroupSession(vodozemac.SessionKey(session_key))
        except _ERRORS as error:
            raise OlmGroupSessionError(_words(error)) from error

    @property
    def first_known_index(self) -> int:
        """The index of the first message that it can decrypt."""
        return int(self.inner.first_known_index)

    def decrypt(self, ciphertext: str) -> tuple[str, int]:
        """Return the plaintext of a message and its index.

        Raises:
            OlmGroupSessionError: the message is not of this session, is older than its key, or was changed.
        """
        try:
            message = self.inner.decrypt(vodozemac.MegolmMessage.from_base64(ciphertext))
            return bytes(message.plaintext).decode(), int(message.message_index)
        except _ERRORS as error:
            raise OlmGroupSessionError(_words(error)) from error

    def export_session(self, index: int) -> str:
        """Return the key of the messages from *index* on."""
        exported = self.inner.export_at(index)
        if exported is None:
            raise OlmGroupSessionError("the session does not reach back to the index")
        return str(exported.to_base64())

    @classmethod
    def import_session(cls, session_key: str) -> Self:
        """Return the session of a key from :meth:`export_session`."""
        session = cls.__new__(cls)
        try:
            key = vodozemac.ExportedSessionKey(session_key)
            session.inner = vodozemac.InboundGroupSession.import_session(key)
        except _ERRORS as error:
            raise OlmGroupSessionError(_words(error)) from error
        return session


class PkSigning:
    """An Ed25519 key for cross-signing, which vodozemac does not have. *seed*: 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = ECC.construct(curve="Ed25519", seed=bytes(seed))

    @property
    def public_key(self) -> str:
        """The public key in unpadded base64."""
        return encode_base64(self._key.public_key().export_key(format="raw"))

    def sign(self, message: str | bytes) -> str:
        """Return the signature of *message*, in unpadded base64."""
        return encode_base64(eddsa.new(self._key, "rfc8032").sign(_bytes(message)))


def _key(passphrase: str) -> bytes:
    return hashlib.sha256(passphrase.encode()).digest()


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
