"""All metrics, as data: their names, types, labels and meanings. The registry and docs/metrics.md derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent_bridge.core.agents import AgentState
from agent_bridge.core.observer import DISMISSED, Operation, RequestResult, TransactionResult
from agent_bridge.core.turns import TurnKind, TurnState

#: The beginning of all names.
PREFIX: Final = "agent_bridge"
#: Methods of requests. Others count as :data:`OTHER`.
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
#: The value of a label whose values are limited and that has none of them.
OTHER: Final = "other"
_TURN_OUTCOMES = (TurnState.DONE, TurnState.FAILED, TurnState.STOPPED, TurnState.COLLECTED, DISMISSED)
#: Upper bounds in seconds: of requests, and of answers of agents.
_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_ANSWERS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class Kind(StrEnum):
    """The type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """The subject of a metric, which decides how the values of several processes are joined."""

    #: The process that answers the scrape: add the values up.
    PROCESS = "process"
    #: The database, which all processes share: take the maximum.
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label."""

    name: str
    #: All values that it can have; empty: they are names of the configuration.
    values: tuple[str, ...] = ()
    #: The source of the values, if *values* is empty.
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric."""

    #: Without the prefix. That of a counter ends with ``_total``.
    name: str
    kind: Kind
    #: One sentence.
    help: str
    labels: tuple[Label, ...] = ()
    scope: Scope = Scope.PROCESS
    #: Upper bounds of the buckets of a histogram.
    buckets: tuple[float, ...] = ()
    #: Whether the series of all values of the labels, and of the configured upstreams, begin at 0. Otherwise a series
    #: begins with its first event.
    begins_at_zero: bool = False

    @property
    def full_name(self) -> str:
        """The name in the output."""
        return f"{PREFIX}_{self.name}"


_UPSTREAM = Label(
    name="upstream",
    source="names of upstreams in the configuration; client and client_ephemeral (agents that connect themselves); "
    "other",
)
_METHOD = Label(name="method", values=(*METHODS, OTHER))

TURNS: Final = Metric(
    name="turns_total",
    kind=Kind.COUNTER,
    help="Turns that this process has closed.",
    labels=(Label(name="kind", values=tuple(TurnKind)), Label(name="outcome", values=_TURN_OUTCOMES)),
    begins_at_zero=True,
)
OPEN_TURNS: Final = Metric(
    name="open_turns",
    kind=Kind.GAUGE,
    help="Turns that are not closed: the depth of the queue.",
    labels=(Label(name="state", values=(TurnState.QUEUED, TurnState.RUNNING, TurnState.COMMITTED)),),
    scope=Scope.DATABASE,
)
OLDEST_WAITING: Final = Metric(
    name="oldest_waiting_turn_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest turn that waits for a worker, the homeserver or an upstream, 0 if none does. Messages that "
    "wait for the reply of an agent that connects itself do not count, nor do those behind them.",
    scope=Scope.DATABASE,
)
BUSY_LANES: Final = Metric(name="busy_lanes", kind=Kind.GAUGE, help="Lanes on which this process works at the moment.")
MAX_LANES: Final = Metric(
    name="max_active_lanes", kind=Kind.GAUGE, help="Lanes on which this process works at most (lanes.max_active_lanes)."
)
FIRST_WORDS: Final = Metric(
    name="first_words_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from a message to the first event of its answer, of whole answers.",
    labels=(_UPSTREAM,),
    buckets=_ANSWERS,
)
WHOLE_ANSWER: Final = Metric(
    name="whole_answer_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from a message to the last event of its whole answer.",
    labels=(_UPSTREAM,),
    buckets=_ANSWERS,
)
EDITS: Final = Metric(
    name="edits_total",
    kind=Kind.COUNTER,
    help="Edits of answers that were sent, and edits of growing answers that were due and left out because of the "
    "budget of edits or the homeserver.",
    labels=(Label(name="result", values=("sent", "skipped")),),
    begins_at_zero=True,
)
TRANSACTIONS: Final = Metric(
    name="transactions_total",
    kind=Kind.COUNTER,
    help="Transactions of the homeserver with a valid token.",
    labels=(Label(name="result", values=tuple(TransactionResult)),),
    begins_at_zero=True,
)
TRANSACTION_EVENTS: Final = Metric(
    name="transaction_events_total", kind=Kind.COUNTER, help="Events in accepted transactions."
)
TRANSACTION_SECONDS: Final = Metric(
    name="transaction_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from the head of a transaction to its response.",
    buckets=_REQUESTS,
)
HOMESERVER_REQUESTS: Final = Metric(
    name="homeserver_requests_total",
    kind=Kind.COUNTER,
    help="Requests to the homeserver, each repetition on its own.",
    labels=(
        _METHOD,
        Label(
            name="result",
            values=(
                RequestResult.OK,
                RequestResult.LIMITED,
                RequestResult.REFUSED,
                RequestResult.FAILED,
                RequestResult.NO_RESPONSE,
            ),
        ),
    ),
)
HOMESERVER_SECONDS: Final = Metric(
    name="homeserver_request_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from a request to the homeserver to the head of the response.",
    labels=(_METHOD,),
    buckets=_REQUESTS,
)
UPSTREAM_REQUESTS: Final = Metric(
    name="upstream_requests_total",
    kind=Kind.COUNTER,
    help="Questions to the agents of upstreams, and requests for the lists of agents.",
    labels=(
        _UPSTREAM,
        Label(name="operation", values=tuple(Operation)),
        Label(name="result", values=tuple(RequestResult)),
    ),
)
UPSTREAM_UP: Final = Metric(
    name="upstream_up",
    kind=Kind.GAUGE,
    help="1 if the last request of the leader for the list of agents succeeded, else 0.",
    labels=(_UPSTREAM,),
    scope=Scope.DATABASE,
)
UPSTREAM_AGENTS: Final = Metric(
    name="upstream_agents",
    kind=Kind.GAUGE,
    help="Agents in the last list of the upstream.",
    labels=(_UPSTREAM,),
    scope=Scope.DATABASE,
)
TOKENS: Final = Metric(
    name="tokens_total",
    kind=Kind.COUNTER,
    help="Tokens of requests of this process: reported by the upstream, or estimated where it reports none.",
    labels=(
        _UPSTREAM,
        Label(name="direction", values=("input", "output")),
        Label(name="source", values=("reported", "estimated")),
    ),
    begins_at_zero=True,
)
CACHED_TOKENS: Final = Metric(
    name="cached_tokens_total",
    kind=Kind.COUNTER,
    help="Those of the input tokens that the model had in its cache.",
    labels=(_UPSTREAM,),
)
COST: Final = Metric(
    name="cost_total",
    kind=Kind.COUNTER,
    help="Cost of requests of this process whose price is known.",
    labels=(_UPSTREAM, Label(name="currency", source="prices.currency")),
    begins_at_zero=True,
)
API_REQUESTS: Final = Metric(
    name="api_requests_total",
    kind=Kind.COUNTER,
    help="Requests of programs (/v1, /mcp, /a2a). A subscription counts when it ends.",
    labels=(
        Label(name="route", source="templates of paths, such as /v1/rooms/{room}/tasks; unknown"),
        _METHOD,
        Label(name="code", values=("1xx", "2xx", "3xx", "4xx", "5xx")),
    ),
)
API_SECONDS: Final = Metric(
    name="api_request_seconds",
    kind=Kind.HISTOGRAM,
    help="Time of requests of programs, with their waits for answers, without streams.",
    buckets=_REQUESTS,
)
SUBSCRIPTIONS: Final = Metric(
    name="subscriptions", kind=Kind.GAUGE, help="Open streams of programs: subscriptions, and answers that grow."
)
DATABASE_UP: Final = Metric(
    name="database_up",
    kind=Kind.GAUGE,
    help="1 if the values of the database could be read for this scrape, else 0: then they are missing.",
)
_POOL = Label(name="pool", values=("statements", "jobs"))
POOL_CONNECTIONS: Final = Metric(
    name="database_pool_connections",
    kind=Kind.GAUGE,
    help="Connections of the pools.",
    labels=(_POOL, Label(name="state", values=("idle", "used"))),
)
POOL_LIMIT: Final = Metric(
    name="database_pool_max_connections", kind=Kind.GAUGE, help="Connections of the pools at most.", labels=(_POOL,)
)
POOL_WAITING: Final = Metric(
    name="database_pool_waiting", kind=Kind.GAUGE, help="Statements that wait for a connection.", labels=(_POOL,)
)
POOL_REQUESTS: Final = Metric(
    name="database_pool_requests_total",
    kind=Kind.COUNTER,
    help="Connections that statements asked for.",
    labels=(_POOL,),
)
POOL_ERRORS: Final = Metric(
    name="database_pool_errors_total",
    kind=Kind.COUNTER,
    help="Connections that statements asked for and did not get in time.",
    labels=(_POOL,),
)
AGENTS: Final = Metric(
    name="agents",
    kind=Kind.GAUGE,
    help="Agents that the bridge knows, by their state.",
    labels=(Label(name="state", values=tuple(AgentState)),),
    scope=Scope.DATABASE,
)
LEADER: Final = Metric(name="leader", kind=Kind.GAUGE, help="1 if this process leads, else 0.")
BUILD_INFO: Final = Metric(
    name="build_info",
    kind=Kind.GAUGE,
    help="Always 1.",
    labels=(Label(name="version", source="version of the bridge"),),
)

#: Values of the process that prometheus-client reads from /proc, on Linux.
OF_PROCESS: Final = (
    Metric(name="process_cpu_seconds_total", kind=Kind.COUNTER, help="CPU time of the process."),
    Metric(name="process_resident_memory_bytes", kind=Kind.GAUGE, help="Resident memory of the process."),
    Metric(name="process_virtual_memory_bytes", kind=Kind.GAUGE, help="Virtual memory of the process."),
    Metric(name="process_start_time_seconds", kind=Kind.GAUGE, help="Start of the process, in seconds since 1970."),
    Metric(name="process_open_fds", kind=Kind.GAUGE, help="Open file descriptors."),
    Metric(name="process_max_fds", kind=Kind.GAUGE, help="Open file descriptors at most."),
)

#: All metrics of the bridge, in the order of docs/metrics.md.
METRICS: Final = (
    *(TURNS, OPEN_TURNS, OLDEST_WAITING, BUSY_LANES, MAX_LANES, FIRST_WORDS, WHOLE_ANSWER, EDITS),
    *(TRANSACTIONS, TRANSACTION_EVENTS, TRANSACTION_SECONDS, HOMESERVER_REQUESTS, HOMESERVER_SECONDS),
    *(UPSTREAM_REQUESTS, UPSTREAM_UP, UPSTREAM_AGENTS, AGENTS, TOKENS, CACHED_TOKENS, COST),
    *(API_REQUESTS, API_SECONDS, SUBSCRIPTIONS),
    *(DATABASE_UP, POOL_CONNECTIONS, POOL_LIMIT, POOL_WAITING, POOL_REQUESTS, POOL_ERRORS),
    *(LEADER, BUILD_INFO),
)
