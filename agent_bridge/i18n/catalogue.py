"""The catalogue: a name for each text that people read in a room, and the grammar that a language needs.

Texts are Markdown. A placeholder gets the value that its name describes; a placeholder with the name of a countable
noun in the plural, such as ``{messages}``, gets the result of :meth:`Texts.count`, in :attr:`Texts.full_more` a number.

Terminals, logs and health checks are English in every language, because operators read them beside code and
configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.i18n.admin_texts import AdminTexts
    from agent_bridge.i18n.command_texts import CommandTexts
    from agent_bridge.i18n.context_texts import ContextTexts
    from agent_bridge.i18n.data_texts import DataTexts
    from agent_bridge.i18n.event_texts import EventTexts
    from agent_bridge.i18n.model_texts import ModelTexts
    from agent_bridge.i18n.notification_texts import NotificationTexts
    from agent_bridge.i18n.operation_texts import OperationTexts
    from agent_bridge.i18n.people_texts import PeopleTexts
    from agent_bridge.i18n.repair_texts import RepairTexts
    from agent_bridge.i18n.retirement_texts import RetirementTexts
    from agent_bridge.i18n.schedule_texts import ScheduleTexts
    from agent_bridge.i18n.server_texts import ServerTexts
    from agent_bridge.i18n.speech_texts import SpeechTexts
    from agent_bridge.i18n.task_texts import TaskTexts
    from agent_bridge.i18n.thread_texts import ThreadTexts
    from agent_bridge.i18n.token_texts import TokenTexts
    from agent_bridge.i18n.trigger_texts import TriggerTexts
    from agent_bridge.i18n.usage_texts import UsageTexts
    from agent_bridge.i18n.vote_texts import VoteTexts

_THOUSAND = 1000
#: User ids in one text.
_MAX_ADMINS = 3
#: The forms of a noun; :attr:`Texts.plural` returns their indices.
Noun = tuple[str, ...]


@dataclass(frozen=True, slots=True, init=False)
class Text:
    """One text of the catalogue and the values of its placeholders, without a language.

    Errors carry a text: the log renders it in English and a room in the configured language.
    """

    #: An attribute of :class:`Texts`.
    name: str
    #: Placeholders with their values.
    values: tuple[tuple[str, object], ...]

    def __init__(self, name: str, /, **values: object) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(values.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """All texts in one language."""

    #: Returns the index of the form of a noun that follows a number.
    plural: Callable[[int], int]
    agent: Noun
    chat: Noun
    message: Noun
    time: Noun
    failure: Noun
    interruption: Noun
    character: Noun
    page: Noun
    #: Lengths of time, in the grammatical case of ``{age}`` and ``{duration}``.
    day: Noun
    hour: Noun
    minute: Noun
    second: Noun

    #: The people who can help, in place of user ids: see :attr:`who_can_help`.
    an_admin: str
    #: Returns the user ids of the administrators. :meth:`Texts.naming` replaces it.
    admins: Callable[[], Sequence[str]] = tuple
    #: The beginning of a command in a room: ``{prefix}`` of other texts. :meth:`Texts.naming` replaces it.
    prefix: str = "!ab"

    #: Refusals of messages and files.
    not_permitted: str
    unreadable: str
    no_command: str
    unknown_target: str
    encrypted: str
    key_missing: str
    not_encrypted: str
    #: Told where agents answer only those who have selected them.
    other_agent: str
    select_first: str
    full: str
    full_all: str
    full_more: str
    #: Why agents that ask each other wait for people, by :class:`~agent_bridge.core.chains.Bound`, and how they go on.
    chain_limits: Mapping[str, str]
    chain_resume: str
    too_large: str
    unreadable_kind: str
    not_fetched: str
    not_read: str
    not_sent: str
    #: By :class:`~agent_bridge.core.errors.FileProblem`: the ``{cause}`` of *not_read*, *not_fetched* and *not_sent*.
    file_problems: Mapping[str, str]
    #: Units of a number of bytes; each unit is a thousand times the one before.
    units: tuple[str, ...]
    no_images: str
    no_voice: str
    cut: str

    #: Rooms of agents.
    #: The first text, and one of the others behind it: whether the person can enter the room.
    ghost_declines: str
    ghost_invites: str
    ghost_is_closed: str
    ghost_is_direct: str
    ghost_is_mute: str
    #: The last words of a ghost in a room that does not become its direct chat; the text of a link to that chat.
    direct_open: str
    direct_known: str
    direct_plain: str
    agent_left: str
    agent_back: str
    no_spaces: str
    room_moved: str
    #: The first message of an agent, without and with the agent's description.
    introduction: str
    introduction_described: str
    admin_room_name: str
    #: Told to administrators when the join rule of existing rooms was changed.
    rooms_opened: str
    rooms_closed: str
    space_strangers: str
    space_open: str
    #: Told to administrators when another room or Space replaces one that the bridge cannot enter.
    room_replaced: str
    lobby_name: str
    lobby_topic: str
    lobby_hello: str
    #: What the administrators are told about the configured lobby, and about the configured Space.
    lobby_problems: Mapping[str, str]
    space_problems: Mapping[str, str]
    #: Told to administrators when the agents of the configuration are not valid.
    agents_invalid: str
    #: The ``{cause}`` of messages whose room does not exist any more.
    room_lost: str
    agent_removed: str
    strangers: str
    #: Problems of a room that its members are told, by :class:`~agent_bridge.core.rooms.RoomProblem`.
    told_problems: Mapping[str, str]
    #: All problems, for operators; and the ``{cause}`` of a message that gets no answer because of one.
    room_problems: Mapping[str, str]
    silenced: Mapping[str, str]
    hello: str
    hello_all: str
    hello_chat: str
    presence_ready: str
    #: By :class:`~agent_bridge.store.profiles.Activity`.
    activities: Mapping[str, str]
    presence_away: str

    #: Notices around an answer, reasoning and tool calls.
    failed: str
    failed_again: str
    failed_midway: str
    truncated: str
    stopped: str
    interrupted: str
    interruption_ends: str
    rest_as_file: str
    retried_edit_past: str
    details: str
    reasoning: str
    thought_for: str
    used_tool: str
    used_tools: str
    asked_for_tools: str

    #: Headings of the quotes, files and transcripts in a question to an agent.
    quote: str
    recap: str
    attachment: str
    transcript: str
    #: By :attr:`~agent_bridge.core.payloads.MessagePayload.form`.
    forms: Mapping[str, str]
    other_form: str

    #: Causes of a missing or incomplete answer: the end of a sentence, without a full stop.
    dropped: str
    too_long: str
    too_slow: str
    too_old: str
    agent_gone: str
    agent_gone_named: str
    agent_unknown: str
    agent_gone_upstream: str
    agent_awaited: str
    agent_silent: str
    agent_unasked: str
    conversation_too_long: str
    message_too_long: str
    bridge_failed: str
    bridge_ended: str
    database_failed: str
    homeserver_away: str
    numbers_unknown: str
    direct_chat_ends: str
    homeserver_failed: str
    homeserver_limits: str
    homeserver_unauthorised: str
    homeserver_other_names: str
    homeserver_refused: str
    server_out_of_reach: str
    homeserver_invalid: str
    #: The ``{upstream}`` of a cause that a room is told, and the cause in place of one that only admins understand.
    agents_server: str
    upstream_misfit: str
    upstream_busy: str
    upstream_failed: str
    upstream_refused: str
    upstream_no_path: str
    upstream_no_credit: str
    question_flagged: str
    upstream_no_images: str
    upstream_redirects: str
    upstream_key: str
    list_failed: str
    upstream_no_list: str
    upstream_away: str
    upstream_away_within: str
    upstream_ca_file: str
    upstream_certificate: str
    upstream_unusable: str
    upstream_no_http: str
    upstream_encoding: str
    upstream_no_tls: str
    upstream_perhaps_http: str
    upstream_perhaps_https: str
    upstream_command: str
    upstream_no_websocket: str
    upstream_origin: str
    upstream_upgrade: str
    letta_version: str
    letta_lacks: str
    letta_not_accepted: str
    letta_interrupted: str
    letta_large_event: str
    letta_decided_elsewhere: str
    decision_unanswered: str
    begun_elsewhere: str
    approval_closed: str

    #: Cards that ask whether a tool may run.
    approval_asked: str
    approval_how: str
    approval_always: str
    approval_allowed: str
    approval_always_allowed: str
    approval_denied: str
    approval_expired: str
    approval_withdrawn: str
    approval_arguments: str
    approval_hidden: str
    approval_by_person: str
    approval_by_rule: str
    approval_no_answer: str

    upstream_closed: str
    upstream_slow: str
    upstream_silent: str
    upstream_cut: str
    upstream_bytes: str
    upstream_web_page: str
    upstream_event: str
    voice_no_path: str
    voice_invalid: str
    voice_type: str
    speech_no_path: str
    speech_invalid: str
    list_web_page: str
    list_no_json: str
    list_value_too_long: str
    list_no_list: str
    list_no_ids: str
    list_no_rest: str
    list_repeats: str
    history_repeats: str
    list_pages: str
    list_no_card: str
    a2a_no_interface: str
    a2a_other_host: str
    a2a_no_result: str
    a2a_wrong_id: str
    a2a_version: str
    a2a_content: str
    a2a_task_gone: str
    a2a_unclear: str
    a2a_asks_silently: str
    answer_problem: str
    answer_characters: str
    answer_no_completion: str
    answer_no_json: str
    answer_cut: str
    answer_filtered: str
    answer_error: str
    answer_aborted: str
    run_unknown: str
    run_goes_on: str
    empty: str
    empty_tool: str
    empty_length: str
    empty_work: str
    empty_end: str

    #: Remedies: whole sentences.
    try_again: str
    try_later: str
    look_at_server: str
    look_at_config: str
    shorten: str
    send_less: str
    say_otherwise: str
    waits_for_upstream: str
    ask_for_less: str
    ask_another: str

    commands: CommandTexts
    contexts: ContextTexts
    usage: UsageTexts
    people: PeopleTexts
    repairs: RepairTexts
    operations: OperationTexts
    speech: SpeechTexts
    retirement: RetirementTexts
    tokens: TokenTexts
    admin: AdminTexts
    triggers: TriggerTexts
    schedules: ScheduleTexts
    servers: ServerTexts
    votes: VoteTexts
    tasks: TaskTexts
    notifications: NotificationTexts
    events: EventTexts
    threads: ThreadTexts
    models: ModelTexts
    data: DataTexts

    def naming(self, admins: Callable[[], Sequence[str]], prefix: str) -> Texts:
        """Return the same texts, with *admins* as the people who can help, and the *prefix* of commands.

        *admins* returns the user ids of the administrators at the time of its call.
        """
        return replace(self, prefix=prefix, admins=admins)

    @property
    def who_can_help(self) -> str:
        """The present administrators."""
        return ", ".join(self.admins()[:_MAX_ADMINS]) or self.an_admin

    def for_admins(self, text: str) -> str:
        """Return *text* with the people who can help in place of its ``{admin}``, and the ``{prefix}`` of commands."""
        return text.format(admin=self.who_can_help, prefix=self.prefix)

    def with_commands(self, text: str, **values: str) -> str:
        """Return *text* with the beginning of a command in place of its ``{prefix}``, and with *values*."""
        return text.format(prefix=self.prefix, **values)

    def render(self, text: Text) -> str:
        """Return *text* in this language."""
        return str(getattr(self, text.name)).format(**dict(text.values))

    def count(self, number: int, noun: Noun) -> str:
        """Return *number* and the form of *noun* that follows it."""
        return f"{number} {noun[self.plural(number)]}"

    def duration(self, seconds: float) -> str:
        """Return a length of time in its largest unit, rounded down."""
        for size, noun in ((86400, self.day), (3600, self.hour), (60, self.minute)):
            if seconds >= size:
                return self.count(int(seconds // size), noun)
        return self.count(max(0, int(seconds)), self.second)

    def bytes(self, number: int) -> str:
        """Return a number of bytes in the largest unit of which it has at least one, with three digits at most."""
        size, units = float(number), iter(self.units)
        unit = next(units)
        while size >= _THOUSAND and (larger := next(units, None)):
            size, unit = size / _THOUSAND, larger
        return f"{size:.3g} {unit}"


def cause(text: str) -> str:
    """Return *text* as the end of a sentence: without spaces around it and without a full stop."""
    return text.strip().rstrip(".")
