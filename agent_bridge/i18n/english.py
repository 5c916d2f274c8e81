"""The texts of the bridge in English."""

from __future__ import annotations

from agent_bridge.i18n.catalogue import Texts
from agent_bridge.i18n.english_admin import ENGLISH_ADMIN
from agent_bridge.i18n.english_commands import ENGLISH_COMMANDS
from agent_bridge.i18n.english_contexts import ENGLISH_CONTEXTS
from agent_bridge.i18n.english_data import ENGLISH_DATA
from agent_bridge.i18n.english_events import ENGLISH_EVENTS
from agent_bridge.i18n.english_models import ENGLISH_MODELS
from agent_bridge.i18n.english_notifications import ENGLISH_NOTIFICATIONS
from agent_bridge.i18n.english_operations import ENGLISH_OPERATIONS
from agent_bridge.i18n.english_people import ENGLISH_PEOPLE
from agent_bridge.i18n.english_repairs import ENGLISH_REPAIRS
from agent_bridge.i18n.english_retirement import ENGLISH_RETIREMENT
from agent_bridge.i18n.english_schedules import ENGLISH_SCHEDULES
from agent_bridge.i18n.english_servers import ENGLISH_SERVERS
from agent_bridge.i18n.english_speech import ENGLISH_SPEECH
from agent_bridge.i18n.english_tasks import ENGLISH_TASKS
from agent_bridge.i18n.english_threads import ENGLISH_THREADS
from agent_bridge.i18n.english_tokens import ENGLISH_TOKENS
from agent_bridge.i18n.english_triggers import ENGLISH_TRIGGERS
from agent_bridge.i18n.english_usage import ENGLISH_USAGE
from agent_bridge.i18n.english_votes import ENGLISH_VOTES


def _plural(number: int) -> int:
    return 0 if number == 1 else 1


ENGLISH = Texts(
    plural=_plural,
    agent=("agent", "agents"),
    chat=("chat", "chats"),
    message=("message", "messages"),
    time=("time", "times"),
    failure=("failure", "failures"),
    interruption=("interruption", "interruptions"),
    character=("character", "characters"),
    page=("page", "pages"),
    day=("day", "days"),
    hour=("hour", "hours"),
    minute=("minute", "minutes"),
    second=("second", "seconds"),
    an_admin="an administrator",
    not_permitted="You are not permitted to talk to agents here. If you need access, ask {admin}.",
    unreadable=(
        "Agents here cannot receive this: they get text, images and files, but no calls, live locations or empty "
        "messages. Please write a message or send a file."
    ),
    no_command=(
        "This room is for commands only. Send `help` to see them. To show something to an agent, send it in the room "
        "of the agent."
    ),
    unknown_target=(
        "The agent did not get the original message, or it was too long ago, so nothing changes. "
        "Please send the message again."
    ),
    encrypted=(
        "This room is now encrypted, and the bridge cannot read encrypted messages. "
        "Please use a room without encryption."
    ),
    key_missing=(
        "I cannot read this message: it is encrypted, and its key has not reached me. If the key comes, I answer. "
        "Otherwise please send the message again."
    ),
    not_encrypted=(
        "I answer encrypted messages only. Please turn on encryption in the settings of this room, or write to me in "
        "an encrypted one."
    ),
    other_agent=(
        "This room talks with *{agent}*, and you have chosen *{selected}*. Write in the room of *{selected}*, or "
        "choose again: `{prefix} agent`."
    ),
    select_first="Choose an agent first: `{prefix} agent` lists them. This room talks with *{agent}*.",
    full=(
        "This message was not accepted: too many messages already wait in this room ({limit}). "
        "Please send it again later."
    ),
    full_all=(
        "These messages were not accepted: too many messages already wait in this room "
        "({limit}). Please send them again later."
    ),
    full_more="- … and {messages} more",
    chain_limits={
        "hops": "The agents have reached the limit of questions to each other in a row: {limit}.",
        "pair": "Two agents have reached the limit of questions to each other in a minute: {limit}.",
        "turns": "The agents have reached the limit of answers to one message: {limit}.",
        "tokens": "The agents have reached the limit of tokens for one message: {limit}.",
    },
    chain_resume="React with 👍 to let them go on. 🛑 ends it.",
    too_large="the file {name} is larger than {limit}",
    unreadable_kind="the bridge cannot read files of this type: {name} ({kind})",
    not_fetched="the file {name} could not be downloaded: {cause}",
    not_read="the file {name} could not be read: {cause}",
    not_sent="the file {name} could not be sent: {cause}",
    file_problems={
        "too large": "it is too large",
        "too many": "the answer has too many files",
        "too many pixels": "it has too many pixels",
        "unsupported": "its format is not supported",
        "unreadable": "it is damaged or protected by a password",
        "no text": "it contains no text",
        "too hard": "reading it takes too much time or memory",
        "not installed": "documents of this type are not supported here",
        "forbidden": "its link points to an address that this bridge does not fetch from",
        "unreachable": "its link does not deliver a file",
        "encrypted": "it is encrypted",
        "damaged": "it is encrypted, and does not match the key in its message",
    },
    units=("bytes", "kB", "MB", "GB"),
    no_images="the agent {agent} does not accept images",
    no_voice="voice messages are not supported here",
    cut="the text of the file {name} was cut after {characters}",
    ghost_declines="I answer in my own room, {alias}, and leave this one.",
    ghost_invites="You have an invitation to my room.",
    ghost_is_closed="If you cannot enter my room, ask {admin} for an invitation.",
    ghost_is_direct="I answer in direct chats: please start one with me. I leave this room.",
    ghost_is_mute="{agent} is not permitted to send messages in this room, so there is no answer. Please tell {admin}.",
    agent_left="{name} is no longer available. This room stays, but messages in it get no answers.",
    agent_back="{name} is back.",
    introduction="I am **{name}**.\n\nEdit your message to change the question. React with 🔁 for another answer, and "
    "with 🛑 to stop one. All members of this room can read the conversation.",
    introduction_described="I am **{name}**: {description}\n\nEdit your message to change the question. React with 🔁 "
    "for another answer, and with 🛑 to stop one. All members of this room can read the conversation.",
    admin_room_name="Agent Bridge: administrators",
    rooms_opened="Members of the Space can now enter the rooms of agents without an invitation. To require invitations "
    "again, set `join_rule: invite` in the section `rooms` of the configuration, and restart the bridge.",
    rooms_closed="The rooms of agents can now be entered by invitation only, as the configuration says "
    "(`rooms.join_rule`).",
    space_strangers="The Space has members without a role: {people}. Its members could read all conversations, "
    "so the rooms of agents stay closed to them. Give these people a role in `permissions` and restart the bridge, or "
    "remove them from the Space; the bridge compares it every five minutes.",
    space_open="Anyone may enter the Space, and its members could read all conversations, so the rooms of agents stay "
    "closed to them. Set the Space to invitations only; the bridge compares it every five minutes.",
    room_replaced="The bridge cannot enter the former room of {name} (`{room}`): it was removed or banned from it. "
    "It makes another room with the same address, and does not answer in the former one.",
    lobby_name="Lobby",
    lobby_topic="All agents. Mention one, or begin a message with its name.",
    lobby_hello="All agents are in this room. An agent answers when you mention it, begin a message with its name, or "
    "reply to it. In a thread it answers everything from then on. All members can read the conversation.",
    lobby_problems={
        "lobby_unknown": "The room `{room}` of `rooms.lobby` does not exist. Correct the configuration, or give a "
        "room this alias; the bridge tries again by itself.",
        "lobby_away": "The homeserver of the room `{room}` of `rooms.lobby` does not respond. Compare the name of the "
        "server; the bridge tries again by itself.",
        "lobby_closed": "The bot cannot enter the room `{room}` of `rooms.lobby`. Invite `{bot}` there; the bridge "
        "tries again by itself.",
        "lobby_is_space": "`{room}` of `rooms.lobby` is a Space. The lobby has to be a room.",
        "lobby_taken": "The room `{room}` of `rooms.lobby` is the room of one agent, or a chat of a person. The lobby "
        "has to be another one.",
        "lobby_powerless": "The bot may not invite agents into the lobby `{room}`. Give `{bot}` the power to invite "
        "there; the bridge tries again by itself.",
    },
    space_problems={
        "space_unknown": "The alias `{alias}` of `space.alias` does not exist, so no Space lists the rooms. Correct "
        "the configuration, or give a Space this alias; the bridge tries again by itself.",
        "space_closed": "The bot cannot enter the Space `{alias}` of `space.alias`, so no Space lists the rooms. "
        "Invite `{bot}` there; the bridge tries again by itself.",
        "space_is_room": "`{alias}` of `space.alias` is not a Space, so no Space lists the rooms.",
        "space_powerless": "The bot has no power to list rooms in the Space `{alias}` of `space.alias`. Give `{bot}` "
        "the power to change `m.space.child` there; the bridge tries again by itself.",
    },
    agents_invalid="The list of configured agents is not valid, and the last valid list stays in force. An upstream "
    "that is new in config.yaml counts after a restart of the bridge.\n\n```\n{faults}\n```",
    no_spaces="I talk in rooms, and this is a Space. Invite me into one of its rooms.",
    room_moved="This room replaces an earlier one. The conversation continues here.",
    room_lost="the room was deleted",
    agent_removed="the agent is not in the room any more",
    strangers=(
        "People without access to agents are in this room: their messages are not passed on to agents. "
        "They can read what agents say."
    ),
    told_problems={
        "encrypted": "This room is encrypted, so {name} cannot read messages here. Ask {admin} for another room.",
        "successor_closed": (
            "This room was upgraded, and {name} cannot enter the new one. Invite `{ghost}` and `{bot}` there."
        ),
        "ghost_away": "{name} is not in this room and cannot come back: messages get no answers.",
        "ghost_banned": "{name} is banned from this room: messages get no answers until the ban is lifted.",
        "ghost_muted": "{name} has no power to send messages here: a room administrator can change its power level.",
        "ghost_suspended": "The account of {name} is suspended: messages get no answers. Please tell {admin}.",
    },
    room_problems={
        "encrypted": (
            "is encrypted: set encryption_enabled_by_default_for_room_type to off in homeserver.yaml, then delete the "
            "room, and the bridge makes another one; or allow encryption (docs/encryption.md)"
        ),
        "not_encrypted": (
            "is not encrypted, and encryption.require refuses its messages: turn encryption on in the settings of the "
            "room, or delete it, and the bridge makes an encrypted one"
        ),
        "successor_closed": "was upgraded: invite the ghost and the bot into the room that replaces it",
        "ghost_away": "has no ghost: it cannot join, perhaps its account is deactivated",
        "ghost_banned": "has banned its ghost: lift the ban",
        "ghost_muted": "does not let its ghost send messages: raise the ghost's power level",
        "ghost_suspended": "has a ghost whose account is suspended: lift the suspension on the homeserver",
        "bot_away": "has no bridge bot: it cannot join, so commands get no answers",
        "open_door": "lets members or guests in without a moderator: raise the level of invitations to 50",
        "no_displayname": "shows its ghost's name only in the room: the homeserver refuses display names in profiles",
        "no_alias": "has no alias, or another room has it",
        "not_in_space": "is not listed in the Space: the homeserver refused it",
        "level_stuck": "has power levels of people against their roles: nobody of the bridge can change them",
        "state_refused": "keeps its name, topic or power levels: the homeserver refused a change",
    },
    silenced={
        "successor_closed": "this room was upgraded",
        "ghost_away": "the agent is not in this room",
        "ghost_banned": "the agent is banned from this room",
        "ghost_muted": "the agent has no power to send messages here",
        "ghost_suspended": "the account of the agent is suspended",
    },
    hello="Hello! I am the bridge bot. Send `help` to see my commands.",
    hello_all="Hello! I am the bridge bot. Send `{prefix} help` to see my commands.",
    hello_chat="Hello! I am the bridge bot. Write a message, and choose the agent that answers here.",
    presence_ready="Ready",
    activities={"answers": "Answering", "asks": "Waiting for a decision"},
    presence_away="{upstream} cannot be reached",
    failed="⚠️ No answer: {cause}.",
    failed_again="⚠️ No answer, for the same reason as above.",
    failed_midway="⚠️ The answer ends here: {cause}.",
    truncated="The answer was cut off at the agent's length limit.",
    stopped="(stopped)",
    interrupted="(interrupted by the next message)",
    interruption_ends="the message that interrupted it does not end it any more",
    rest_as_file="The rest of this answer is in the file below.",
    retried_edit_past=(
        "This message already has an answer, and the conversation has continued since, so the answer does not change. "
        "To get a new answer, send the message again."
    ),
    details="Details",
    reasoning="Thinking…",
    thought_for="Thought for {duration}",
    used_tool="Used {tool}",
    used_tools="Used {count} tools: {tools}",
    asked_for_tools="Asked for {tools}",
    quote="In reply to {author}:",
    recap="(The conversation so far, which your server may have lost:)\n\n{messages}\n\n(Now:)",
    attachment="File {name}:",
    transcript="Transcript of a voice message:",
    forms={"sticker": "Sticker:", "location": "Location:", "poll": "Poll:"},
    other_form="Message of the type {type}:",
    dropped="an administrator dropped this message",
    too_long="the limit of {limit} characters was reached",
    too_slow="the limit of {seconds:g} s was reached",
    too_old="{messages} from {age} ago waited too long. React with 🔁 to ask the agent all the same",
    agent_gone="{agent} is no longer available",
    agent_unknown="{agent}'s server lists its agents in another way now, and it is not clear yet which one is {agent}",
    agent_gone_named="{upstream} no longer has an agent '{agent}'",
    agent_gone_upstream="{upstream} no longer has this agent",
    agent_awaited="the reply of the agent is awaited",
    agent_silent="the agent did not reply within {seconds:g} s",
    agent_unasked="the agent gets no other questions than those of people and agents",
    conversation_too_long="the conversation is too long for this agent's model",
    message_too_long="the message is too long for this agent's model",
    bridge_failed="an internal error occurred in the bridge",
    bridge_ended="the bridge ended {times} while it worked on this message",
    database_failed="the bridge's database failed",
    numbers_unknown="the numbers of chats are being compared with the homeserver",
    direct_chat_ends="the former direct chat with the agent has yet to be left",
    direct_open="our chat",
    direct_known="We talk in {link} already. I leave this room.",
    direct_plain="I cannot read encrypted messages. Please write to me in {link}, without encryption: I leave this "
    "room.",
    homeserver_away="the homeserver cannot be reached: {said}",
    homeserver_failed="the homeserver failed: {said}",
    homeserver_limits="the homeserver limits the requests: {seconds} s to wait",
    homeserver_unauthorised="the homeserver does not know the as_token: {said}",
    homeserver_other_names="the homeserver has another registration of the bridge: {said}",
    homeserver_refused="the homeserver refused the request: {said}",
    server_out_of_reach="another server does not answer: {said}",
    homeserver_invalid="the homeserver's response is not valid: is the address correct?",
    agents_server="the server of {agent}",
    upstream_misfit="the bridge cannot use {upstream} as it is set up",
    upstream_busy="{upstream} is busy ({status})",
    upstream_failed="{upstream} failed ({status})",
    upstream_refused="{upstream} refused the request ({status})",
    upstream_no_path="{upstream} does not have the path of the request ({status})",
    upstream_no_credit="the account at the server of {upstream} has no credit left",
    question_flagged="{upstream} does not want to answer this message",
    upstream_no_images=("{upstream} refused the request ({status}): perhaps the agent's model does not accept images"),
    upstream_redirects="{upstream} redirects to another address ({status}): set its url to that address",
    upstream_key="{upstream} does not accept the api_key ({status})",
    list_failed="{upstream} reported an error instead of its list of agents",
    upstream_no_list="{upstream} has no list of agents ({status}): is its url correct? It usually ends in /v1",
    upstream_away="{upstream} could not be reached",
    upstream_away_within="{upstream} could not be reached within {seconds:g} s",
    upstream_ca_file="the ca_file of {upstream} cannot be read",
    upstream_certificate="the certificate of {upstream} is not trusted: is its ca_file correct?",
    upstream_unusable="the url or a header of {upstream} is not valid",
    upstream_no_http="{upstream} does not speak HTTP",
    upstream_encoding="{upstream} sends its responses in an encoding that the bridge did not ask for",
    upstream_no_tls="{upstream} does not speak TLS: perhaps its url begins with http://",
    upstream_perhaps_http="{upstream} could not be reached within {seconds:g} s: perhaps its url begins with http://",
    upstream_perhaps_https="{upstream} sent no HTTP response: perhaps its url begins with https://",
    upstream_command="{upstream} did not carry a command out",
    upstream_no_websocket=(
        "{upstream} has no WebSocket at /ws ({status}): its url has to be the address that letta server prints"
    ),
    upstream_origin="{upstream} refuses the WebSocket ({status}): perhaps a proxy or the key headers adds an Origin",
    upstream_upgrade=(
        "{upstream} refuses the WebSocket ({status}): it speaks another version of the protocol; install another "
        "version of Letta, or set kind: openai"
    ),
    letta_version=(
        "{upstream} speaks version {version} of the App Server protocol, and the bridge speaks version 1; install a "
        "version of Letta that does, or set kind: openai"
    ),
    letta_lacks=(
        "{upstream} lacks capabilities that the bridge needs: {capabilities}; install the newest version of Letta, or "
        "set kind: openai"
    ),
    letta_not_accepted="{upstream} does not accept the message yet",
    letta_interrupted="the connection was lost after the agent had used a tool: the answer may not be complete",
    letta_large_event=(
        "the server ended the connection, because a tool had more than {limit} MB of arguments or of output: "
        "the answer may not be complete"
    ),
    decision_unanswered="{upstream} did not answer after the decision about the tool: the answer is not complete",
    letta_decided_elsewhere="{upstream} did not wait for the decision about the tool: the answer is not complete",
    begun_elsewhere="{upstream} had another kind when the answer began: the agent may have used tools",
    approval_closed="{upstream} does not wait for the decision any more",
    approval_asked="{agent} wants to use the tool `{tool}`.",
    approval_how="✅ allows it, ❌ refuses it. Without a decision within {duration} it counts as refused.",
    approval_always=(
        "♾️ of an administrator also answers “{offer}”, for all agents and rooms of the same server; "
        "of others it counts as ✅."
    ),
    approval_allowed="{person} allowed the tool `{tool}`.",
    approval_always_allowed=(
        "{person} allowed the tool `{tool}`, and from now on such calls of all agents of the server."
    ),
    approval_denied="{person} refused the tool `{tool}`.",
    approval_expired="There was no decision about the tool `{tool}` within {duration}: it counts as refused.",
    approval_withdrawn="The agent does not ask for the tool `{tool}` any more.",
    approval_arguments="Arguments",
    approval_hidden="at least {bytes} bytes are not shown",
    approval_by_person="refused by {person}",
    approval_by_rule="this tool is not permitted",
    approval_no_answer="nobody decided in time",
    upstream_closed="{upstream} closed the connection without an answer",
    upstream_slow="{upstream} did not respond within {seconds:g} s",
    upstream_silent="{upstream} sent nothing for {seconds:g} s",
    upstream_cut="the connection to {upstream} was lost",
    upstream_bytes="the response of {upstream} is larger than {limit} bytes",
    upstream_web_page="{upstream} answered with a web page: is its url correct?",
    upstream_event="an event of the stream is larger than {limit} bytes",
    voice_no_path="{upstream} does not transcribe voice messages ({status}): is its transcription_model correct?",
    voice_invalid="the response of {upstream} is not a transcription",
    voice_type="the media type of the recording is not valid",
    speech_no_path="{upstream} does not read texts aloud ({status}): is its speech_model correct?",
    speech_invalid="the response of {upstream} is not a recording",
    list_web_page=(
        '{upstream} answered GET /models with a web page instead of {{"data": [{{"id": …}}]}}; '
        "is its url correct? It usually ends in /v1"
    ),
    list_no_json=(
        '{upstream} answered GET /models with text that is not JSON instead of {{"data": [{{"id": …}}]}}; '
        "is its url correct? It usually ends in /v1"
    ),
    list_value_too_long=(
        "{upstream} answered GET /models with a value of more than a million characters: is there a picture in it?"
    ),
    list_no_list=(
        '{upstream} answered GET /models with JSON without a list of models instead of {{"data": [{{"id": …}}]}}; '
        "is its url correct? It usually ends in /v1"
    ),
    list_no_ids=(
        '{upstream} answered GET /models with a list in which no entry has an id instead of {{"data": [{{"id": …}}]}}; '
        "is its url correct? It usually ends in /v1"
    ),
    list_no_rest=(
        "{upstream} has no list of agents at /v1/agents/ ({status}): kind: letta_v1 needs the url of Letta Cloud or of "
        "Letta's server 0.16, and an App Server needs kind: letta"
    ),
    list_repeats="{upstream} lists the same agents on every page",
    history_repeats="{upstream} returns the same messages on every page",
    list_pages="{upstream} lists its agents on more than {limit} pages",
    list_no_card=(
        "{upstream} has no agent card ({status}): kind: a2a needs the url of a card, or of a server that has it at "
        "/.well-known/agent-card.json"
    ),
    a2a_no_interface="the agent card of {upstream} names no address for JSON-RPC with version 1.0 or 0.3 of A2A",
    a2a_other_host=(
        "the agent card of {upstream} names an address on the host {host}, or one without TLS; add a host that may "
        "have the key to trusted_hosts"
    ),
    a2a_no_result="the response of {upstream} is none of A2A",
    a2a_wrong_id="{upstream} sent the response to another request",
    a2a_version="{upstream} does not speak the version of A2A that its agent card names",
    a2a_content="{upstream} does not take messages of this kind, for example with pictures",
    a2a_task_gone="{upstream} does not know the answer any more",
    a2a_unclear="{upstream} may have got the message, and does not tell; it was not sent again",
    a2a_asks_silently="{upstream} waits for another message, and does not say for what",
    answer_problem="{upstream} reported an error",
    answer_characters="the answer of {upstream} is longer than {limit} characters",
    answer_no_completion="the response of {upstream} is not a completion",
    answer_no_json="{upstream} sent a chunk that is not JSON",
    answer_cut="{upstream} broke off the answer",
    answer_filtered="{upstream} did not finish: its content filter stopped the answer",
    answer_error="{upstream} did not finish: it reported an error",
    answer_aborted="{upstream} did not finish: it cancelled the answer",
    run_unknown="{upstream} does not know the answer that is to end",
    run_goes_on="{upstream} did not end the answer",
    empty="the answer of {upstream} is empty",
    empty_tool="{upstream} answered only with a tool call, and this bridge has no tools",
    empty_length="{upstream} reached its length limit before the answer began",
    empty_work="{upstream} worked on the message but gave no answer",
    empty_end="{upstream} ended without an answer, as some servers do if a conversation is too long",
    try_again="To try again, react with 🔁.",
    try_later="The server asked for a pause: try again later.",
    look_at_server="Please tell {admin}.",
    look_at_config="Please tell {admin}.",
    shorten="Shorten the conversation or start a thread.",
    send_less="Send a shorter message.",
    say_otherwise="Say it in other words.",
    waits_for_upstream="⏳ {cause}. This message waits for {agent}.",
    ask_for_less="Ask for a shorter answer.",
    ask_another="Send `{prefix} agent` for the other agents, or ask {admin} about this one.",
    commands=ENGLISH_COMMANDS,
    contexts=ENGLISH_CONTEXTS,
    usage=ENGLISH_USAGE,
    people=ENGLISH_PEOPLE,
    repairs=ENGLISH_REPAIRS,
    operations=ENGLISH_OPERATIONS,
    speech=ENGLISH_SPEECH,
    retirement=ENGLISH_RETIREMENT,
    tokens=ENGLISH_TOKENS,
    admin=ENGLISH_ADMIN,
    triggers=ENGLISH_TRIGGERS,
    schedules=ENGLISH_SCHEDULES,
    servers=ENGLISH_SERVERS,
    votes=ENGLISH_VOTES,
    tasks=ENGLISH_TASKS,
    notifications=ENGLISH_NOTIFICATIONS,
    events=ENGLISH_EVENTS,
    threads=ENGLISH_THREADS,
    models=ENGLISH_MODELS,
    data=ENGLISH_DATA,
)
