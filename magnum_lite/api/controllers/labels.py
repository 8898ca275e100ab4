"""``GET /v1/labels``: which labels there are."""

from magnum_lite.api.call import Answer, Call
from magnum_lite.models.labels import LABELS


def index(call: Call) -> Answer:  # noqa: ARG001  the same for everybody
    """Every label that has an effect, with type, default, engines and meaning."""
    return Answer(
        body={
            "labels": [
                {
                    "name": label.name,
                    "type": label.kind,
                    "default": label.default,
                    "coes": sorted(label.coes),
                    "meaning": label.meaning,
                    "choices": list(label.choices),
                }
                for label in LABELS.values()
            ]
        }
    )
