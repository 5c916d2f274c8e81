"""The homeserver of the crash tests keeps few rooms."""

from support.few_rooms import few_rooms

__all__ = ["few_rooms"]
