"""The capacity model of docs/scaling.md: arithmetic on the measured costs, and its check against other measurements."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.page import Entry

BRIDGE, POSTGRES, SYNAPSE, STATEMENTS = (
    "bridge",
    "CPU of PostgreSQL, ms",
    "CPU of Synapse, ms",
    "statements in PostgreSQL",
)
#: Seconds between two backfills of a room, and comparisons of rooms in a second (the defaults).
_INTERVAL, COMPARISONS = 600.0, 2.0
#: The load that the table of sizes assumes: messages of an agent in a day, and the busiest hour over the mean one.
MESSAGES, PEAK = 20.0, 4.0
#: Seconds of an answer; the most lanes of a process; the connections of a process with the default pool; the processes
#: at least, so that another one takes over; and the share of a core that a process should use.
ANSWER, LANES, CONNECTIONS, LEAST, SHARE = 20.0, 1_000, 13, 2, 0.7
_DAY, _HOUR, _MS = 86_400.0, 3_600.0, 1_000.0
#: Bytes of an agent in the list of the upstream, and the bytes and the lists and objects that one page may have.
_LISTED, _PAGE, _OBJECTS = 75, 16 * 1024**2, 250_000
#: Memory that one process should have, in MB; connections and locks that PostgreSQL has room for by default. Each lane
#: that is busy holds a lock.
_MEMORY, _MAX_CONNECTIONS, _MAX_LOCKS = 250.0, 100, 64 * 100


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds and statements of one thing."""

    bridge: float
    postgres: float
    synapse: float
    statements: float


@dataclass(frozen=True, slots=True)
class Check:
    """A value that the model predicts, and the one of a measurement that the costs do not come from."""

    what: str
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """The predicted value over the measured one."""
        return self.predicted / self.measured if self.measured else float("nan")


@dataclass(frozen=True, slots=True)
class Size:
    """The needs of a number of agents. Cores are those that are busy in the busiest hour."""

    agents: int
    #: In a second of the busiest hour.
    messages: float
    #: Of all workers for messages, and of the leader for its periodic work.
    workers: float
    leader: float
    postgres: float
    synapse: float
    #: By their CPU and by their lanes, and the lanes that each needs.
    processes: int
    lanes: float
    connections: int
    #: Of the leader, in MB; and of the list of the upstream, in MB.
    memory: float
    listed: float
    #: Hours until all agents have rooms, if Synapse has one core for them.
    hours: float
    #: The resources that are beyond the limits of one machine part, worst first.
    bottlenecks: tuple[str, ...]


class Model:
    """The model from the *figures* of results.json."""

    def __init__(self, figures: Mapping[str, Entry]) -> None:
        self._figures = figures
        self.message, self.agent, self.room = self._cost("a_message"), self._cost("an_agent"), self._cost("a_room")
        self.event = self._cost("a_subscribers_event")
        self.backfill, self.comparison = self._cost("a_backfill"), self._cost("a_comparison")
        few, many = self._leader("scale_1000_rss_mb"), self._leader("scale_10000_rss_mb")
        #: Growth of a leader by each agent, in kB, and its memory without any, in MB.
        self.kilobytes = (many - few) / (10_000 - 1_000) * _MS
        self.base = few - self.kilobytes * 1_000 / _MS

    @property
    def _idle_percent(self) -> float:
        """CPU of a process with few agents and nothing to do, in percent of a core."""
        return self._value("cpu_ms_per_1000_deltas", "CPU of the idle bridge, % of a core")

    def _value(self, figure: str, part: str) -> float:
        return float(self._figures[figure]["parts"][part])

    def _leader(self, figure: str) -> float:
        return self._value(figure, "a leader after its start, idle, MB")

    def _cost(self, name: str) -> Cost:
        figure = self._figures[f"cost_of_{name}"]
        parts = figure["parts"]
        return Cost(figure["value"], parts[POSTGRES], parts[SYNAPSE], parts[STATEMENTS])

    def checks(self) -> Iterator[Check]:
        """Yield the values of the other benchmarks beside those of the model."""
        four = self._figures["four_process_speedup"]["parts"]
        rate = four["four processes, answers per second"]
        bridges = [used for name, used in four.items() if name.startswith(("CPU of the first", "CPU of worker"))]
        work = rate * self.message.bridge / 10 + len(bridges) * self._idle_percent
        yield Check("four processes: CPU of all bridges, % of a core", work, sum(bridges))
        for name, cost in (("PostgreSQL", self.message.postgres), ("Synapse", self.message.synapse)):
            used = four[f"CPU of {name} with four, % of a core"]
            yield Check(f"four processes: CPU of {name}, % of a core", rate * cost / 10, used)
        throughput = self._value("throughput_ratio", "bridge, answers per second")
        yield Check("one process, 50 rooms: answers per second", _MS / self.message.synapse, throughput)
        for agents, costs in ((1_000, ("bridge", "PostgreSQL", "Synapse")), (10_000, ("bridge", "PostgreSQL"))):
            for name in costs:
                of_one = {"bridge": self.agent.bridge, "PostgreSQL": self.agent.postgres, "Synapse": self.agent.synapse}
                used = self._value(f"scale_{agents}_ready_s", f"CPU of {name} while they were made, s")
                yield Check(f"{agents} agents made: CPU of {name}, s", agents * of_one[name] / _MS, used)
        ready = float(self._figures["scale_1000_ready_s"]["value"])
        yield Check("1000 agents made: seconds", 1_000 * self.agent.synapse / _MS, ready)
        for agents in (1_000, 10_000):
            yield from self._idle(agents)

    def _idle(self, agents: int) -> Iterator[Check]:
        name = f"scale_{agents}_idle_queries_per_s"
        base = float(self._figures["idle_database_queries_per_s"]["value"])
        statements = base + agents / _INTERVAL * self.backfill.statements + COMPARISONS * self.comparison.statements
        yield Check(f"{agents} agents, idle: statements per second", statements, float(self._figures[name]["value"]))
        work = agents / _INTERVAL * self.backfill.bridge + COMPARISONS * self.comparison.bridge
        percent = work / 10 + self._idle_percent
        yield Check(
            f"{agents} agents, idle: CPU of the leader, % of a core",
            percent,
            self._value(name, "CPU of bridge, % of a core"),
        )

    def size(self, agents: int) -> Size:
        """Return the needs of *agents* agents under the assumed load."""
        messages = agents * MESSAGES / _DAY * PEAK
        backfills = agents / _INTERVAL

        def cores(part: str) -> float:
            message, backfill, comparison = (
                float(getattr(cost, part)) for cost in (self.message, self.backfill, self.comparison)
            )
            return (messages * message + backfills * backfill + COMPARISONS * comparison) / _MS

        leader = (backfills * self.backfill.bridge + COMPARISONS * self.comparison.bridge) / _MS
        workers = messages * self.message.bridge / _MS
        processes = max(LEAST, ceil(messages * ANSWER / LANES), ceil((workers + leader) / SHARE))
        listed = agents * _LISTED / 1e6
        needs = {
            "CPU of Synapse (more than one process)": cores("synapse"),
            "CPU of the leader": leader,
            "CPU of PostgreSQL (more than four cores)": cores("postgres") / 4,
            "memory of the leader (more than the aim)": (self.base + agents * self.kilobytes / _MS) / _MEMORY,
            "connections of PostgreSQL": processes * CONNECTIONS / _MAX_CONNECTIONS,
            "locks of PostgreSQL": messages * ANSWER / _MAX_LOCKS,
            "bytes of one page of the list": listed * 1e6 / _PAGE,
            "objects in one page of the list": agents / _OBJECTS,
        }
        worst = sorted((name for name, need in needs.items() if need > 1), key=lambda name: -needs[name])
        return Size(
            agents=agents,
            messages=messages,
            workers=workers,
            leader=leader,
            postgres=cores("postgres"),
            synapse=cores("synapse"),
            processes=processes,
            lanes=messages * ANSWER / processes,
            connections=processes * CONNECTIONS,
            memory=self.base + agents * self.kilobytes / _MS,
            listed=listed,
            hours=agents * self.agent.synapse / _MS / _HOUR,
            bottlenecks=tuple(worst),
        )
