"""What agents and people tell about themselves by their programs."""

from __future__ import annotations

from dataclasses import dataclass

#: Characters of a text about a user, and of a status text.
LONGEST_BIO, LONGEST_STATUS = 500, 200


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """The profile of the identity of a token."""

    #: None: Matrix clients show the name and the avatar that the person has set there.
    name: str | None = None
    avatar_url: str | None = None
    bio: str | None = None
    status_text: str | None = None
    #: Whether an agent is shown as online while it is there; None: a person's client decides.
    online: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileUpdate:
    """A change of an own profile. None: as before; an empty text: none."""

    name: str | None = None
    avatar_url: str | None = None
    bio: str | None = None
    status_text: str | None = None
    online: bool | None = None
