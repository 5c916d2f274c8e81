"""Conversations of programs that speak the OpenAI API, and questions to people."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Index, Table, Text, UniqueConstraint, text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

model_thread = Table(
    "model_thread",
    metadata,
    row_id(),
    Column("owner", Text, nullable=False, comment="user id of the program's identity"),
    Column("target", Text, nullable=False, comment="user id of the agent or the person who is asked"),
    Column("key", Text, nullable=False, comment="name of the conversation that the program gives"),
    Column("room_id", Text, nullable=False),
    Column("root", Text, comment="event at which the thread begins; null: not sent yet"),
    Column(
        "begun",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether the first message was said, with what was said elsewhere before",
    ),
    Column("instructions", Text, comment="SHA-256 of the instructions that were said last; null: none"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("used_at", DateTime(timezone=True), nullable=False, server_default=now),
    UniqueConstraint("owner", "target", "key"),
    comment="threads in which programs that speak the OpenAI API talk",
)
Index("model_thread_target_idx", model_thread.c.target)
Index("model_thread_used_at_idx", model_thread.c.used_at)

reachable_person = Table(
    "reachable_person",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="people whom programs may ask",
)

person_question = Table(
    "person_question",
    metadata,
    row_id(),
    Column("key", Text, nullable=False, comment="name of the request; a repeat has the same one"),
    Column("owner", Text, nullable=False, comment="user id of the program's identity"),
    Column("person", Text, nullable=False),
    Column("room_id", Text, nullable=False),
    Column("thread", Text, nullable=False, comment="root of the thread"),
    Column("event_id", Text, comment="the question; null: not sent yet"),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("deadline", DateTime(timezone=True), nullable=False, comment="an answer counts until then"),
    Column("answer", Text, comment="null: none yet"),
    Column("answer_event", Text),
    Column("answered_at", DateTime(timezone=True)),
    UniqueConstraint("key"),
    comment="questions of programs to people",
)
Index("person_question_room_id_idx", person_question.c.room_id)
Index("person_question_person_idx", person_question.c.person)
Index("person_question_owner_idx", person_question.c.owner)
Index(
    "person_question_event_id_idx",
    person_question.c.event_id,
    postgresql_where=person_question.c.event_id.is_not(None),
)
Index("person_question_asked_at_idx", person_question.c.asked_at)
