"""The texts about threads in English."""

from __future__ import annotations

from agent_bridge.i18n.thread_texts import ThreadTexts

ENGLISH_THREADS = ThreadTexts(
    thread=("archived thread", "archived threads"),
    title="🧵 **{name}**",
    title_archived="🧵 **{name}** (archived)",
    problems={
        "no_name": "A name is missing: `{prefix} thread new` and the name.",
        "long_name": "The name is too long: it has up to {most} characters.",
        "too_many": "This room has {most} threads with names, and can have no more.",
        "which": "Which thread? Write this in the thread, or as a reply to a message of it.",
        "unnamed": "This thread has no name yet. `{prefix} thread new` and a name gives it one.",
        "no_root": "No thread can begin with this message.",
        "not_yours": "Only the person who named the thread, and moderators, may change it.",
        "not_permitted": "You cannot make threads here.",
        "in_use": "Somebody has just written in this thread, so it stays.",
        "bad_page": "`{prefix} thread list` lists the threads, `{prefix} thread list archived` those in the archive.",
    },
    changed={
        "made": "The thread {thread} is ready.",
        "named": "This thread is called {thread} now.",
        "renamed": "The thread is called {thread} now.",
        "archived": "The thread {thread} is archived. The next message in it brings it back.",
    },
    head="Threads with names, the last used first:",
    head_archived="Archived threads:",
    none="No thread has a name here. `{prefix} thread new` and a name begins one.",
    none_archived="No thread is archived here.",
    others="`{prefix} thread list archived` shows {threads}.",
    page="Page {page} of {pages}. `{prefix} {command}` shows the next one.",
    by="by {user}",
)
