"""What differs between the demo's bays: names, sizes, and the chapters that use them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from magnum_lite.local.demo import kubernetes, swarm
from magnum_lite.local.demo.stage import Stage


@dataclasses.dataclass(frozen=True, slots=True)
class Tour:
    """``model`` is what the baymodel has beside what all have; ``labels`` are the bay's. ``mirror``: whether
    the nodes need a mirror of Kubernetes. ``kept``: commands for a bay that was kept, and what they do.
    """

    coe: str
    bay: str
    master: str
    model: Mapping[str, Any]
    labels: Mapping[str, str]
    use: Callable[[Stage], None]
    mirror: bool
    kept: tuple[tuple[str, str], ...]

    @property
    def model_name(self) -> str:
        """As the talk calls it."""
        return f"{self.coe}-model"


def _swarm(stage: Stage) -> None:
    swarm.sign(stage)
    swarm.look(stage)
    swarm.push_images(stage)
    swarm.run_container(stage)
    swarm.deploy(stage)
    swarm.place(stage)
    swarm.refuse(stage)
    swarm.scale_bay(stage, 3)


def _kubernetes(stage: Stage) -> None:
    kubernetes.sign(stage)
    kubernetes.look(stage)
    kubernetes.push_images(stage)
    kubernetes.deploy(stage)
    kubernetes.refuse(stage)
    kubernetes.scale_bay(stage, 3)


TOURS: Mapping[str, Tour] = {
    "swarm": Tour(
        coe="swarm",
        bay=swarm.BAY,
        master="manager",
        model={"flavor_id": "m2.medium"},
        labels={"node_labels": "storage=ssd,tier=fast"},
        use=_swarm,
        mirror=False,
        kept=(
            (f'eval "$(magnum-lite env {swarm.BAY})"', "point docker at it"),
            ("docker info; docker stack services talk", "what runs"),
        ),
    ),
    "kubernetes": Tour(
        coe="kubernetes",
        bay=kubernetes.BAY,
        master="master",
        model={"flavor_id": "m1.medium", "master_flavor_id": "m2.medium"},
        labels={},
        use=_kubernetes,
        mirror=True,
        kept=(
            (f'eval "$(magnum-lite env {kubernetes.BAY})"', "point kubectl at it"),
            ("kubectl get nodes; kubectl get pods --all-namespaces", "what runs"),
        ),
    ),
}
