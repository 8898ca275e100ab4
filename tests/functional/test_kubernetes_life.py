"""The life of a Kubernetes bay, from the API to its nodes, which are simulated."""

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from magnum_lite.db import schema
from magnum_lite.drivers.kubernetes_nodes import may_renew
from magnum_lite.pki.requests import client_request

LATEST = {"OpenStack-API-Version": "container-infra latest"}


def _made(stand, template, **more):
    body = {"name": f"bay-{next(stand.counter)}", "cluster_template_id": template["uuid"]} | more
    return stand.api.post_json("/v1/clusters", body, headers=LATEST).json["uuid"]


@pytest.fixture
def make(stand):
    def bay(**more):
        template = stand.template(coe="kubernetes", labels=more.pop("labels", {}))
        return _made(stand, template, **more)

    return bay


def machines(stand, uuid):
    """Host name's end → the machine."""
    with stand.database.read() as connection:
        query = schema.node.select().where(schema.node.c.cluster_id == uuid)
        names = {
            r["uuid"]: "-".join(r["hostname"].split("-")[-2:]) for r in connection.execute(query).mappings()
        }
    return {names[m.node_id]: m for m in stand.machines.values() if m.node_id in names}


def names_of(certificate):
    subject = certificate.subject
    cn = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    groups = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        sans = {str(name.value) for name in found}
    except x509.ExtensionNotFound:
        sans = set()
    usages = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    return cn, groups, sans, {u._name for u in usages}


def test_from_nothing_to_complete(stand, make):
    uuid = make(node_count=2)
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_COMPLETE"
    assert found["api_address"].startswith("https://172.")
    assert found["api_address"].endswith(":6443")
    assert (found["coe_version"], found["container_version"]) == ("v1.36.3", "2.3.7")
    for name in ("default-master", "default-worker"):
        group = stand.api.get(f"/v1/clusters/{uuid}/nodegroups/{name}", headers=LATEST).json
        assert group["version"] == "v1.36.3"
    nodes = machines(stand, uuid)
    assert set(nodes) == {"master-0", "worker-0", "worker-1"}
    assert any(told.get("init_etcd") for told in nodes["master-0"].told)
    assert not any("init_etcd" in t or "join_etcd" in t for t in nodes["worker-0"].told)


def test_three_masters_join_one_etcd(stand, make):
    uuid = make(node_count=1, master_count=3)
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    nodes = machines(stand, uuid)
    began = [name for name, node in nodes.items() if any("init_etcd" in told for told in node.told)]
    assert began == ["master-0"]
    for other in ("master-1", "master-2"):
        told = next(told for told in nodes[other].told if "join_etcd" in told)
        assert told["join_etcd"]
        assert set(told["join_etcd"]) < set(told["etcd_peers"]), "it learns of members that are on their way"
    stand.boot()
    assert len(nodes["worker-0"].told[-1]["masters"]) == 3


def test_certificates_are_by_purpose(stand, make):
    uuid = make(
        node_count=1, name="a-name-of-some-length", labels={"service_cluster_ip_range": "10.9.0.0/16"}
    )
    stand.converge(uuid)
    nodes = machines(stand, uuid)
    master, worker = nodes["master-0"], nodes["worker-0"]
    cn, groups, sans, usages = names_of(master.certificate("server"))
    assert (cn, groups, usages) == ("kube-apiserver", [], {"serverAuth"})
    assert {"10.9.0.1", "127.0.0.1", "kubernetes.default.svc", master.hostname()} <= sans
    for node in (master, worker):
        cn, groups, sans, usages = names_of(node.certificate("kubelet"))
        assert (cn, groups) == (f"system:node:{node.hostname()}", ["system:nodes"])
        assert (sans, usages) == (set(), {"clientAuth"})
        cn, groups, sans, usages = names_of(node.certificate("kubelet-server"))
        assert (cn, groups, usages) == (node.hostname(), [], {"serverAuth"})
        assert node.hostname() in sans
    assert set(worker.identity["certs"]) == {"identity", "kubelet", "kubelet-server", "kube-proxy"}
    assert set(worker.identity["cas"]) == {"node", "cluster"}
    assert worker.identity["secrets"] == {}
    assert set(master.identity["cas"]) == {"node", "cluster", "etcd", "front-proxy"}
    issuers = {
        name: master.certificate(name).issuer.rfc4514_string().split()[1].split(",")[0]
        for name in (
            "server",
            "kubelet",
            "etcd-server",
            "etcd-peer",
            "etcd-client",
            "front-proxy",
            "identity",
        )
    }
    assert issuers == {
        "server": "cluster",
        "kubelet": "cluster",
        "etcd-server": "etcd",
        "etcd-peer": "etcd",
        "etcd-client": "etcd",
        "front-proxy": "front-proxy",
        "identity": "node",
    }


def test_masters_share_secrets_that_nobody_else_sees(stand, make):
    uuid = make(node_count=1, master_count=3)
    stand.converge(uuid)
    nodes = machines(stand, uuid)
    shared = [node.identity["secrets"] for name, node in nodes.items() if name.startswith("master")]
    assert set(shared[0]) == {"service-account", "encryption"}
    assert all(found == shared[0] for found in shared)
    other = make(node_count=0)
    stand.converge(other)
    assert machines(stand, other)["master-0"].identity["secrets"] != shared[0]
    texts = [max(text.splitlines(), key=len) for text in shared[0].values()]
    seen = str([r.parameters for r in stand.stacks.requests]) + str([r.files for r in stand.stacks.requests])
    assert not any(text in seen for text in texts)


def test_add_ons_are_told_once_to_one_master(stand, make):
    uuid = make(node_count=0, master_count=3, labels={"container_infra_prefix": "registry.example.org/k8s"})
    stand.converge(uuid)
    for _ in range(3):
        stand.boot()
    told = {name: [t for t in node.told if "addons" in t] for name, node in machines(stand, uuid).items()}
    assert {name: len(found) for name, found in told.items()} == {"master-0": 1, "master-1": 0, "master-2": 0}
    text = told["master-0"][0]["addons"]["manifests"]
    assert "10.100.0.0/16" in text
    assert "10.254.0.10" in text
    images = {line.split("image: ")[1] for line in text.splitlines() if line.strip().startswith("image: ")}
    assert images
    assert all(image.startswith("registry.example.org/k8s/") for image in images)
    assert "%" not in text.replace("25%", "").replace("%%", "")


@pytest.mark.parametrize(
    ("roles", "group"), [("member", "system:masters"), ("reader", "magnum-lite:viewers")]
)
def test_members_are_masters_and_readers_viewers(stand, make, roles, group):
    uuid = make(node_count=0)
    stand.converge(uuid)
    caller = stand.as_caller(roles=roles)
    _, csr = client_request("ana")
    pem = caller.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}).json["pem"]
    cn, groups, _, usages = names_of(x509.load_pem_x509_certificate(pem.encode()))
    assert (cn, groups, usages) == ("ana", [group], {"clientAuth"})


def test_nodes_say_no_more_than_they_are(stand, make):
    """A worker that calls itself a master, or another node, changes nothing."""
    uuid = make(node_count=2)
    stand.converge(uuid)
    nodes = machines(stand, uuid)
    worker, other = nodes["worker-0"], nodes["worker-1"]
    worker.report("ready", 100, "ok", engine_id=other.hostname(), engine_nodes=[{"id": "x"}])
    with stand.database.read() as connection:
        query = schema.node.select().where(schema.node.c.uuid == worker.node_id)
        row = connection.execute(query).mappings().one()
    assert row["engine_id"] == worker.hostname()
    assert row["engine_view"] == []


def test_labels_and_taints_of_a_group_reach_its_nodes(stand, make):
    uuid = make(node_count=1)
    stand.converge(uuid)
    body = {"name": "gpu", "node_count": 1, "node_labels": {"tier": "gold"}}
    body["node_taints"] = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    stand.api.post_json(f"/v1/clusters/{uuid}/nodegroups", body, headers=LATEST)
    assert stand.converge(uuid)["status"] == "UPDATE_COMPLETE"
    gpu = machines(stand, uuid)["gpu-0"]
    told = gpu.identity["kubelet"]
    assert told["labels"]["tier"] == "gold"
    assert told["labels"]["magnum.openstack.org/nodegroup"] == "gpu"
    assert told["taints"] == [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    assert gpu.labels["node-role.kubernetes.io/worker"] == ""
    assert gpu.labels["taint:gpu:NoSchedule"] == "yes"
    assert machines(stand, uuid)["master-0"].identity["kubelet"]["taints"] == [
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    ]


def test_a_worker_leaves_drained(stand, make):
    uuid = make(node_count=2)
    stand.converge(uuid)
    stand.api.post_json(
        f"/v1/clusters/{uuid}/actions/resize",
        {"node_count": 1},
        headers=LATEST,
    )
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    masters = machines(stand, uuid)["master-0"]
    gone = {name for told in masters.told for name in told.get("drain", ())}
    assert len(gone) == 1
    assert gone == {name for told in masters.told for name in told.get("remove", ())}


def test_ranges_must_not_overlap(stand):
    template = stand.template(coe="kubernetes", labels={"pods_network_cidr": "10.254.128.0/17"})
    body = {"name": "x", "cluster_template_id": template["uuid"]}
    answer = stand.api.post_json("/v1/clusters", body, expect_errors=True)
    assert answer.status_int == 400
    assert "overlaps" in answer.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tier", "gold and more"),
        ("tier", "-gold"),
        ("tier", "g" * 64),
        ("tier", "a,b=c"),
        ("Example.ORG/tier", "gold"),
        ("a/b/c", "gold"),
        ("example.org/-tier", "gold"),
    ],
)
def test_labels_and_taints_are_such_as_kubernetes_allows(stand, make, key, value):
    uuid = make(node_count=1)
    stand.converge(uuid)
    body = {"name": "gpu", "node_count": 1, "node_labels": {key: value}}
    answer = stand.api.post_json(f"/v1/clusters/{uuid}/nodegroups", body, headers=LATEST, expect_errors=True)
    assert answer.status_int == 400
    assert key in answer.text and "node_labels" in answer.text
    taints = {
        "name": "gpu",
        "node_count": 1,
        "node_taints": [{"key": key, "value": value, "effect": "NoExecute"}],
    }
    answer = stand.api.post_json(
        f"/v1/clusters/{uuid}/nodegroups", taints, headers=LATEST, expect_errors=True
    )
    assert answer.status_int == 400
    assert key in answer.text and "node_taints" in answer.text
    body["node_labels"] = {"example.org/tier": "Gold_1.0"}
    stand.api.post_json(f"/v1/clusters/{uuid}/nodegroups", body, headers=LATEST)


def test_a_group_may_be_called_as_its_owner_likes(stand, make):
    uuid = make(node_count=1)
    stand.converge(uuid)
    body = {"name": "Größe, sehr groß!", "node_count": 1}
    stand.api.post_json(f"/v1/clusters/{uuid}/nodegroups", body, headers=LATEST)
    assert stand.converge(uuid)["status"] == "UPDATE_COMPLETE"
    told = [m.identity["kubelet"]["labels"] for m in machines(stand, uuid).values()]
    shown = {labels["magnum.openstack.org/nodegroup"] for labels in told}
    assert shown == {"default-master", "default-worker", "Gr-e-sehr-gro"}


def test_a_registry_is_no_network(stand):
    template = stand.template(coe="kubernetes", insecure_registry="registry.example.org:5000,192.0.2.0/24")
    body = {"name": "x", "cluster_template_id": template["uuid"]}
    answer = stand.api.post_json("/v1/clusters", body, expect_errors=True)
    assert answer.status_int == 400
    assert "192.0.2.0/24" in answer.text and "network" in answer.text


def _issuer(node, name):
    return node.certificate(name).issuer.rfc4514_string()


def test_a_rotated_ca_goes_only_when_no_node_lives_by_it(stand, make):
    """Nodes are clients of each other: they trust both CAs, then show the new one's certificates, then trust it
    alone; masters one after the other, workers after them.
    """
    uuid = make(node_count=1, master_count=3)
    stand.converge(uuid)
    nodes = machines(stand, uuid)
    old = {name: _issuer(nodes["master-0"], name) for name in ("server", "kubelet", "etcd-peer")}
    path = f"/v1/certificates/{uuid}"
    stand.api.patch(path, headers=LATEST | {"Content-Type": "application/octet-stream"})
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    for node in nodes.values():
        assert node.identity["cas"]["cluster"].count("BEGIN CERTIFICATE") == 2
        assert _issuer(node, "kubelet") != old["kubelet"], "clients are the new CA's already"
    for name in ("master-0", "master-1", "master-2"):
        assert _issuer(nodes[name], "server") == old["server"], "kubectl of before knows only the old CA"
        assert _issuer(nodes[name], "etcd-peer") != old["etcd-peer"]
    stand.api.patch(path, headers=LATEST | {"Content-Type": "application/octet-stream"})
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    for node in nodes.values():
        assert node.identity["cas"]["cluster"].count("BEGIN CERTIFICATE") == 1
    assert _issuer(nodes["master-2"], "server") != old["server"]
    turns = [[i for i, told in enumerate(nodes[name].told) if told.get("renew")] for name in sorted(nodes)]
    assert all(len(turn) >= 3 for turn in turns), "three times: both CAs, the new one's, the new one alone"


def test_masters_renew_one_after_the_other():
    told, now = "2.1.1", 1000.0
    plain = {"state": "ready", "pending_identity": None, "certified_at": 0.0, "renewal": "1.1.1"}
    masters = [plain | {"uuid": f"m{i}", "role": "master", "index": i} for i in range(3)]
    worker = plain | {"uuid": "w", "role": "worker", "index": 0}
    everybody = [*masters, worker]

    def turns():
        return [n["uuid"] for n in everybody if may_renew(n, everybody, told, now)]

    assert turns() == ["m0"]
    masters[0] |= {"renewal": told, "certified_at": now - 5}
    assert turns() == ["m0"], "the next one waits until it has restarted"
    masters[0]["certified_at"] = now - 60
    assert turns() == ["m0", "m1"]
    masters[1]["pending_identity"] = "…"
    assert turns() == ["m1"]
    for master in masters:
        master |= {"renewal": told, "pending_identity": None}
    assert "w" in turns()
