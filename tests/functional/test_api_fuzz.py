"""Whatever comes in: never a 5xx, never SQL or a traceback in the answer."""

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnum_lite.api.dialects import BAYS
from magnum_lite.api.routes import ROUTES
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.nodegroup import NodeGroup
from tests.functional.conftest import TEMPLATE
from tests.support.fuzz import examples
from tests.support.stand import SimulatedNode, Stand

RUNS = settings(
    max_examples=examples(60), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
NAMES = sorted({*Cluster.model_fields, *ClusterTemplate.model_fields, *BAYS.rename(Cluster).values()})
NASTY = ["", "'", '"; DROP TABLE cluster; --', "\u0000", "😀", "{", "{'a': 1}", "-1", "0", "5", "NaN", "None", "True",
         "a" * 300, "../../etc/passwd", "${jndi:x}", "%s%n", "\u202e", "$(reboot)", "\r\nX: y", "null"]  # fmt: skip
TEXT = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
VALUE = st.recursive(
    LEAF, lambda x: st.one_of(st.lists(x, max_size=3), st.dictionaries(TEXT, x, max_size=3)), max_leaves=6
)
FIELDS = st.dictionaries(st.one_of(st.sampled_from(NAMES), TEXT), VALUE, max_size=6)
PATHS = st.one_of(
    st.sampled_from([f"/{n}" for n in NAMES]),
    st.sampled_from(["/labels/a", "/labels/~0", "/", "", "//"]),
    TEXT,
)
OPERATION = st.one_of(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "replace", "remove", "move"]), "path": PATHS, "value": VALUE}
    ),
    st.dictionaries(st.sampled_from(["op", "path", "value", "from"]), VALUE, max_size=4),
    LEAF,
)
LEAKS = ("Traceback", "sqlalchemy", "sqlite3", "SELECT ", "INSERT ", "UPDATE ", "pydantic", 'File "')


def harmless(answer):
    assert answer.status_int < 500, answer.text
    assert answer.headers["x-openstack-request-id"]
    # what was sent may come back in the answer; leaks would be in texts of our own
    text = answer.body.decode()
    json.loads(text or "null")
    for leak in LEAKS:
        assert leak not in text
    return answer


def send(stand, method, path, body=None, **more):
    raw = json.dumps(body).encode() if body is not None else b""
    more.setdefault("headers", {"Content-Type": "application/json"})
    return harmless(stand.api.request(path, method=method, body=raw, expect_errors=True, **more))


@pytest.fixture(scope="module")
def rows(shared):
    template = shared.template()
    return template["uuid"], shared.cluster(template)


@RUNS
@given(more=FIELDS)
def test_templates(shared, words, more):
    for body in (more, TEMPLATE | more):
        answer = send(shared, "POST", f"/v1/{words.templates}", body)
        if answer.status_int == 201:
            send(shared, "GET", f"/v1/{words.templates}/{answer.json['uuid']}")


@RUNS
@given(more=FIELDS)
def test_clusters(shared, rows, words, more):
    for body in (more, {words.template_id: rows[0]} | more):
        answer = send(shared, "POST", f"/v1/{words.clusters}", body)
        if answer.status_int in {201, 202}:
            send(shared, "GET", f"/v1/{words.clusters}/{answer.json['uuid']}")


@RUNS
@given(body=VALUE)
def test_bodies_of_any_kind(shared, rows, words, body):
    for path in (
        f"/v1/{words.clusters}",
        f"/v1/{words.clusters}/{rows[1]}/actions/resize",
        "/v1/certificates",
    ):
        send(shared, "POST", path, body)
    send(shared, "PATCH", f"/v1/{words.clusters}/{rows[1]}", body)


@RUNS
@given(document=st.lists(OPERATION, max_size=4))
def test_patches(shared, rows, words, document):
    for path in (f"/v1/{words.templates}/{rows[0]}", f"/v1/{words.clusters}/{rows[1]}"):
        send(shared, "PATCH", path, document)
        assert send(shared, "GET", path).status_int == 200
    assert send(shared, "GET", f"/v1/{words.clusters}/detail").status_int == 200


@RUNS
@given(
    node_count=LEAF, remove=st.one_of(st.lists(LEAF, max_size=3), LEAF), group=LEAF,
    more=st.dictionaries(TEXT, LEAF, max_size=1),
)  # fmt: skip
def test_resizes(shared, rows, words, node_count, remove, group, more):
    body = {"node_count": node_count, "nodes_to_remove": remove, "nodegroup": group} | more
    send(shared, "POST", f"/v1/{words.clusters}/{rows[1]}/actions/resize", body)


@RUNS
@given(
    cluster=st.one_of(TEXT, LEAF),
    csr=st.one_of(TEXT, LEAF),
    ttl=LEAF,
    more=st.dictionaries(TEXT, LEAF, max_size=1),
)
def test_certificates(shared, rows, cluster, csr, ttl, more):
    send(shared, "POST", "/v1/certificates", {"cluster_uuid": cluster, "csr": csr, "ttl": ttl} | more)
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{csr}\n-----END CERTIFICATE REQUEST-----\n"
    send(shared, "POST", "/v1/certificates", {"bay_uuid": rows[1], "csr": pem})


@RUNS
@given(raw=st.binary(max_size=60))
def test_bytes(shared, words, raw):
    for method, path in (
        ("POST", words.clusters),
        ("PATCH", f"{words.templates}/x"),
        ("GET", words.clusters),
    ):
        answer = shared.api.request(
            f"/v1/{path}",
            method=method,
            body=raw,
            headers={"Content-Type": "application/json"},
            expect_errors=True,
        )
        harmless(answer)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A stand with a cluster in which nothing goes on, and a CSR of it."""
    stand = Stand(tmp_path_factory.mktemp("complete"))
    stand.made = stand.cluster()
    stand.converge(stand.made)
    pem = SimulatedNode(stand.door, "a:b", "worker").csr(name="ana")
    stand.der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    return stand


@RUNS
@given(
    body=st.dictionaries(st.one_of(st.sampled_from(sorted(NodeGroup.model_fields)), TEXT), VALUE, max_size=5),
    document=st.lists(OPERATION, max_size=4),
)
def test_node_groups(complete, body, document):
    headers = {"OpenStack-API-Version": "container-infra latest", "Content-Type": "application/json"}
    path = f"/v1/clusters/{complete.made}/nodegroups"
    for more in ({}, {"name": "more"}):
        send(complete, "POST", f"{path}?plan=true", body | more, headers=headers)
    for group in ("default-worker", "default-master"):
        send(complete, "PATCH", f"{path}/{group}", document, headers=headers)
        assert send(complete, "GET", f"{path}/{group}", headers=headers).status_int == 200


@RUNS
@given(
    body=st.dictionaries(st.sampled_from(["project_id", "resource", "hard_limit", "id"]), VALUE, max_size=4),
    project=TEXT, resource=TEXT,
)  # fmt: skip
def test_quotas(complete, body, project, resource):
    admin = complete.as_caller(roles="admin")
    path = f"/v1/quotas/{quote(project, safe='')}/{quote(resource, safe='')}"
    for method, to, sent in (
        ("POST", "/v1/quotas", body),
        ("PATCH", path, body),
        ("GET", path, None),
        ("DELETE", path, None),
    ):
        raw = b"" if sent is None else json.dumps(sent).encode()
        harmless(
            admin.request(to, method=method, body=raw, content_type="application/json", expect_errors=True)
        )
    assert harmless(admin.get("/v1/quotas?all_tenants=true")).status_int == 200


@RUNS
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    cut=st.one_of(st.none(), st.integers(0, 400)), more=st.binary(max_size=8),
)  # fmt: skip
def test_damaged_csrs(complete, changes, cut, more):
    """Bytes are changed behind the PEM: a real CSR, nearly."""
    der = bytearray(complete.der)
    for place, byte in changes:
        der[place % len(der)] = byte
    der = bytes(der[:cut]) + more
    text = base64.encodebytes(der).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"
    answer = send(complete, "POST", "/v1/certificates", {"cluster_uuid": complete.made, "csr": pem})
    assert answer.status_int == 201 if der == complete.der else answer.status_int in {400, 403}


@RUNS
@given(
    tags=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
)
def test_entity_tags(complete, tags):
    path, wild = f"/v1/clusters/{complete.made}", tags == "" or tags.strip(" \t") == "*"
    answer = harmless(complete.api.get(path, headers={"If-None-Match": tags}, expect_errors=True))
    assert answer.status_int in {200, 304}
    answer = harmless(complete.api.patch_json(path, [], headers={"If-Match": tags}, expect_errors=True))
    assert answer.status_int == (202 if wild else 412)


GETS = ["/".join(r.path) for r in ROUTES if r.method == "GET" and r.query]


@RUNS
@given(
    path=st.sampled_from(GETS),
    query=st.dictionaries(st.sampled_from(sorted({n for r in ROUTES for n in r.query})), TEXT, max_size=4),
    version=st.sampled_from(["1.1", "1.9", "1.10", "1.13", "latest"]),
)
def test_queries(complete, path, query, version):
    path = path.replace("{ident}", complete.made).replace("{group}", "default-worker")
    path = path.replace("{project}", "x").replace("{resource}", "Cluster").replace("{name}", "x")
    headers = {"OpenStack-API-Version": f"container-infra {version}"}
    answer = complete.as_caller(roles="admin").get(
        f"/v1/{path}?{urlencode(query)}", headers=headers, expect_errors=True
    )
    assert harmless(answer).status_int in {200, 400, 404, 406}


_LATIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")


@RUNS
@given(
    query=st.binary(max_size=30), ident=st.binary(max_size=30),
    version=st.text(_LATIN, max_size=30), accept=st.text(_LATIN, max_size=30), ctype=st.text(_LATIN, max_size=30),
)  # fmt: skip
def test_urls_and_headers(shared, words, query, ident, version, accept, ctype):
    headers = {"OpenStack-API-Version": version, "Accept": accept, "Content-Type": ctype,
               "X-Openstack-Request-Id": version}  # fmt: skip
    quoted = "".join(f"%{b:02x}" for b in ident)
    text = "".join(f"%{b:02x}" if b in b"#% \r\n" or not 32 < b < 127 else chr(b) for b in query)
    for path in (f"/v1/{words.clusters}?{text}", f"/v1/{words.clusters}/{quoted}", f"/v1/certificates/{quoted}?{text}",
                 f"/v1/{words.templates}?sort_key={text}", f"/v1/{words.clusters}?marker={text}"):  # fmt: skip
        harmless(shared.api.request(path, headers=headers, expect_errors=True))
