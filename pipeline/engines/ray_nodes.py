"""Which nodes of a Ray cluster may train: each is asked what it has before it is given a trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.config import Resources
from pipeline.engines.ray_worker import faults_of_node, installation
from pipeline.errors import BadInputError, first_line

WHERE: Final = "--ray-address"
NODE_ID: Final = "ray.io/node-id"
"""The label that Ray gives each node."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a study brings to the nodes of a cluster, and what it asks of them.

    Attributes:
        pack: Makes what travels to the nodes of the context that the engine is opened with.
        unpack: ``module:function`` that makes the context of it again.
        code: A folder that is brought to the nodes and searched for modules.
        check: ``module:function`` that says on a node what it lacks of what is ``asked``; ``None``:
            the same installation is all that is asked.
        asked: The argument of ``check``.
    """

    pack: Callable[[Any], Any]
    unpack: str
    code: str | None = None
    check: str | None = None
    asked: Any = None


class Nodes:
    """The nodes of the cluster that this process has joined, and what was found out about them.

    Args:
        resources: What a worker takes of a node.
        delivery: What a node is asked.
    """

    def __init__(self, resources: Resources, delivery: Delivery) -> None:
        self._resources = resources
        self._question = installation(), delivery.check, delivery.asked
        self._sound: set[str] = set()
        self._refused: dict[str, str] = {}

    @property
    def room(self) -> int:
        """For how many workers there is room, were they the only ones."""
        return sum(_room(self._resources, node["Resources"]) for node in self._alive())

    @property
    def has_other(self) -> bool:
        """Whether a node that was not refused has room for a worker."""
        return any(node["NodeID"] not in self._refused for node in self._with_room())

    @property
    def label_selector(self) -> dict[str, str]:
        """As Ray's options name the nodes that were not refused."""
        return {NODE_ID: f"!in({','.join(self._refused)})"} if self._refused else {}

    def is_sound(self, node_id: str) -> bool:
        """Whether a node has what a study needs, as far as is known."""
        return node_id in self._sound

    def is_refused(self, node_id: str) -> bool:
        """Whether a node is known to lack something."""
        return node_id in self._refused

    def why_refused(self, node_id: str) -> str:
        """What a node that was refused lacks."""
        return self._refused[node_id]

    def ask(self, node_id: str) -> Any:
        """Ask a node what it lacks; it answers though all its processors are taken."""
        there = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
        question = ray.remote(faults_of_node).options(
            num_cpus=0, max_retries=0, scheduling_strategy=there
        )
        return question.remote(*self._question)

    def note(self, node_id: str, faults: Sequence[str]) -> str | None:
        """Note what a node lacks, and tell it in a line; ``None`` where it is nothing."""
        if not faults:
            self._sound.add(node_id)
            return None
        address = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        line = f"node {address.get(node_id, node_id)} cannot train this study: {'; '.join(faults)}"
        self._refused[node_id] = line
        return line

    def check(self, seconds: float) -> None:
        """Ask all nodes that have room for a worker.

        Args:
            seconds: So long at most; a node that does not answer is asked when it has a worker.

        Raises:
            BadInputError: A node lacks something.
        """
        asked = {self.ask(node["NodeID"]): node["NodeID"] for node in self._with_room()}
        if not asked:
            return
        answered, _ = ray.wait([*asked], num_returns=len(asked), timeout=seconds)
        for call in answered:
            self.check_answer(asked[call], call)

    def check_answer(self, node_id: str, call: Any) -> None:
        """Wait for a node's answer; one that is lost meanwhile gives none.

        Raises:
            BadInputError: It lacks something.
        """
        try:
            faults = faults_in(call)
        except RayError:
            return
        if line := self.note(node_id, faults):
            raise BadInputError(where=WHERE, problem=line)

    def _alive(self) -> list[dict[str, Any]]:
        return [node for node in ray.nodes() if node["Alive"]]

    def _with_room(self) -> list[dict[str, Any]]:
        return [node for node in self._alive() if _room(self._resources, node["Resources"])]


def faults_in(call: Any) -> list[str]:
    """What a node has answered; that it cannot be asked at all is a fault, too.

    Raises:
        RayError: The node is lost.
    """
    try:
        faults: list[str] = ray.get(call)
    except RayTaskError as error:
        return [first_line(error.cause or error)]
    return faults


def _room(wanted: Resources, there: Mapping[str, float]) -> int:
    """For how many workers a node has room."""
    needs = {"CPU": wanted.cpus, "GPU": wanted.gpus, "memory": wanted.memory or 0}
    return min(int(there.get(name, 0) / need) for name, need in needs.items() if need)
