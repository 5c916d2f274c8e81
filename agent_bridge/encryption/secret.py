"""The secrets that derive from the one of the configuration: a use that is known gives none of the others away."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from mautrix.crypto.cross_signing_key import CrossSigningSeeds

_USAGES = ("master", "self_signing", "user_signing")


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The derived secrets."""

    #: Encrypts the keys in the database.
    pickle: str
    #: Tells whether the keys in the database are encrypted with :attr:`pickle`.
    fingerprint: str
    #: Gives the cross-signing keys of each user.
    identity: bytes

    @classmethod
    def of(cls, secret: str) -> Self:
        """Return the secrets that derive from *secret*: always the same ones."""
        return cls(
            pickle=_derived(secret, "pickle").hex(),
            fingerprint=_derived(secret, "fingerprint").hex(),
            identity=_derived(secret, "identity"),
        )

    def seeds(self, user_id: str, number: int = 0) -> CrossSigningSeeds:
        """Return the seeds of the cross-signing keys of *user_id*; *number* counts how often others replaced them."""
        subject = f"{user_id} {number}" if number else user_id
        return CrossSigningSeeds(
            *(hmac.digest(self.identity, f"{usage} {subject}".encode(), hashlib.sha256) for usage in _USAGES)
        )


def _derived(secret: str, use: str) -> bytes:
    return hmac.digest(secret.encode(), f"agent_bridge encryption {use}".encode(), hashlib.sha256)
