"""Amounts of resources in Kubernetes' words, and what a pod asks for altogether."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from magnum_lite.models.load import Resources

_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]*)(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(text: Any) -> Fraction:
    """0 for what is none. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None or not any(c.isdigit() for c in match[1]):
        return Fraction(0)
    number, suffix = Fraction(match[1]), match[3] or ""
    if suffix in _BINARY:
        return number * 1024 ** _BINARY[suffix]
    return number * Fraction(10) ** (int(match[2]) if match[2] else _DECIMAL[suffix])


def resources(raw: Mapping[str, Any] | None, *, up: bool = True) -> dict[str, int]:
    """In whole units, rounded up (what is asked for) or down (what there is)."""
    out = {}
    for name, text in (raw or {}).items():
        amount = quantity(text) * (1000 if name == "cpu" else 1)
        out[name] = -(-amount.numerator // amount.denominator) if up else int(amount)
    return out


def requests_of(spec: Mapping[str, Any]) -> Resources:
    """Of a pod: containers together with sidecars, or what a container that runs before them needs, and what
    its runtime adds. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    run = _sum(_asked(c) for c in spec.get("containers") or ())
    before: dict[str, int] = {}  # sidecars that run already
    most: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            before = _sum([before, asked])
            asked = {}
        most = _larger(most, _sum([before, asked]))
    whole = _larger(_sum([run, before]), most) | resources((spec.get("resources") or {}).get("requests"))
    return _sum([whole, resources(spec.get("overhead")), {"pods": 1}])


def _asked(container: Mapping[str, Any]) -> dict[str, int]:
    return resources((container.get("resources") or {}).get("requests"))


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            out[name] = out.get(name, 0) + amount
    return out


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
