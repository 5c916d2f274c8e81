"""The cipher of event streams in encrypted rooms (MSC4471)."""

from __future__ import annotations

from Crypto.Cipher import AES

#: Bytes of the authentication tag.
_TAG = 16


class AesGcm:
    """AES-256 in Galois/Counter Mode: a :class:`~agent_bridge.core.event_streams.StreamCipher`."""

    def seal(self, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
        """Return the ciphertext with the authentication tag at its end."""
        ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=iv).encrypt_and_digest(plaintext)
        return bytes(ciphertext + tag)

    def open(self, key: bytes, iv: bytes, ciphertext: bytes) -> bytes | None:
        """Return the plaintext; None if the tag does not fit."""
        try:
            return bytes(
                AES.new(key, AES.MODE_GCM, nonce=iv).decrypt_and_verify(ciphertext[:-_TAG], ciphertext[-_TAG:])
            )
        except ValueError:
            return None
