"""``GET /v1/labels``: which labels there are."""

from typing import Any

from magnum_lite.api.call import Answer, Call
from magnum_lite.errors import NotFound
from magnum_lite.models.labels import LABELS, Label, suggest


def _shown(label: Label) -> dict[str, Any]:
    return {
        "name": label.name,
        "type": label.kind,
        "default": label.default,
        "coes": sorted(label.coes),
        "meaning": label.meaning,
        "choices": list(label.choices),
    }


def index(call: Call) -> Answer:
    """Every label that has an effect, with type, default, engines and meaning; ``coe`` picks an engine's."""
    coe = call.query.get("coe")
    return Answer(body={"labels": [_shown(x) for x in LABELS.values() if coe is None or coe in x.coes]})


def show(call: Call, name: str) -> Answer:  # noqa: ARG001  the same for everybody
    """One label; for one that is not known, the label that was probably meant."""
    if name in LABELS:
        return Answer(body=_shown(LABELS[name]))
    guess = suggest(name)
    raise NotFound("Label", name, f"Did you mean {guess}?" if guess else "")
