"""Where secrets must never be: logs, API answers, events, what Heat is given, plain columns."""

import io
import logging
import re

import pytest

from magnum_lite.db import schema
from tests.functional.test_conductor import machine, nodes, scale

PRIVATE = re.compile(r"PRIVATE KEY")
REGISTRY = "hunter2-registry"


@pytest.fixture
def logged():
    """Everything that any logger says at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def everything(stand):
    """Every value of every row, as text."""
    with stand.database.read() as connection:
        return {
            table.name: "\n".join(str(row) for row in connection.execute(table.select()).mappings())
            for table in schema.metadata.sorted_tables
        }


def test_over_a_whole_life(stand, logged):
    uuid = stand.cluster(labels={"registry_auth": f"registry.example=robot:{REGISTRY}"})
    stand.converge(uuid)
    member = machine(stand, nodes(stand, uuid)["worker-0"])
    signed = stand.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": member.csr(name="me")})
    scale(stand, uuid, 3)
    stand.settle(uuid)
    scale(stand, uuid, 1)
    stand.settle(uuid)
    member.report("ready", 100, "failed", message="broken", log=f"token={member.token}")
    stand.pass_once()

    answers = "".join(
        stand.api.get(f"/v1/clusters{path}").text
        for path in ("", "/detail", f"/{uuid}", f"/{uuid}/events", f"/{uuid}/nodes", f"/{uuid}/logs")
    )
    answers += stand.api.get(f"/v1/certificates/{uuid}").text
    answers += stand.api.get(f"/v1/certificates/{uuid}/issued").text
    answers += stand.api.get("/v1/clustertemplates").text + signed.text
    tokens = [c.split(":")[1] for c in stand.credentials().values()]
    assert len(tokens) == 4
    tables = everything(stand)
    heat = "".join(str(r.parameters) + "".join(r.files.values()) for r in stand.stacks.requests)

    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    log = logged.getvalue()
    assert log
    for name, text in {"answers": answers, "log": log, **tables}.items():
        for secret in (*tokens, "SWMTKN-w", "SWMTKN-m"):
            assert secret not in text, (name, secret)
        assert not PRIVATE.search(text), name
        if name not in {"cluster", "nodegroup"}:  # the labels themselves; masked wherever they are shown
            assert REGISTRY not in text, name
    for secret in (REGISTRY, "SWMTKN-w", "SWMTKN-m", "PRIVATE KEY"):
        assert secret not in heat
    assert stand.sealer is not None
    # what is left of a deleted cluster has nothing that opens anything
    left = everything(stand)
    assert left["secret"] == left["authority"] == left["node"] == left["cluster"] == ""


def test_sealed_keys_belong_to_their_row(stand):
    """A sealed key that is copied into another row opens nothing."""
    one, two = stand.cluster(), stand.cluster()
    stand.converge(one), stand.converge(two)
    table = schema.authority
    with stand.database.write() as connection:
        keys = dict(
            connection.execute(
                table.select().with_only_columns(table.c.cluster_id, table.c.sealed_key)
                .where(table.c.purpose == "cluster")
            ).all()
        )  # fmt: skip
        connection.execute(
            table.update().where(table.c.cluster_id == one, table.c.purpose == "cluster")
            .values(sealed_key=keys[two])
        )  # fmt: skip
    csr = next(iter(stand.machines.values())).csr(name="me")
    answer = stand.api.post_json("/v1/certificates", {"cluster_uuid": one, "csr": csr}, expect_errors=True)
    assert answer.status_int >= 400
    assert "pem" not in answer.json
    stand.api.post_json("/v1/certificates", {"cluster_uuid": two, "csr": csr}, status=201)


def test_the_registrys_password_reaches_nodes_at_the_door_only(stand):
    uuid = stand.cluster(labels={"registry_auth": f"registry.example=robot:{REGISTRY}"})
    stand.converge(uuid)
    node = machine(stand, nodes(stand, uuid)["worker-0"])
    assert node.identity["registry_auth"] == {"registry.example": {"username": "robot", "password": REGISTRY}}
