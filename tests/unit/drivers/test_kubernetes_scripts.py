"""What Kubernetes' node scripts do, run for real as root of a mount namespace whose ``/etc``, ``/opt`` and
``/var/lib`` are the test's. Stand-ins answer for systemd and for the programs of a cluster that is not there.
"""

import json
import os
import shutil
import subprocess

import pytest

from magnum_lite import paths
from magnum_lite.drivers import kubernetes_settings, user_data
from magnum_lite.drivers.kubernetes_settings import MACHINES
from tests.support.bay_spec import spec

ROOT = paths.heat_templates()

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")

# Members are lines of /etc/members as etcdctl prints them. Who asks a learner is refused; one that has just begun
# is not promoted at once.
ETCDCTL = """#!/bin/bash
echo "$*" >> /etc/calls
words="$*"
case $words in *127.0.0.1*) echo 'rpc not supported for learner' >&2; exit 1 ;; esac
case $words in
    *' member list') cat /etc/members ;;
    *' member add '*)
        grep -q 'true$' /etc/members && { echo 'too many learner members in cluster' >&2; exit 1; }
        echo "9, unstarted, , ${words##*--peer-urls }, , true" >> /etc/members ;;
    *' member remove '*) sed -i "/^${words##* },/d" /etc/members ;;
    *' member promote '*)
        echo try >> /etc/tries
        [ "$(wc -l < /etc/tries)" -ge 3 ] || { echo 'can only promote a learner which is in sync' >&2; exit 1; }
        sed -i "/^${words##* },/s/true\\$/false/" /etc/members ;;
esac
"""
SYSTEMCTL = """#!/bin/bash
echo "systemctl $*" >> /etc/calls
[ "$1" != is-active ] || exit 3
[ "$1" != restart ] || cat "/etc/kubernetes/units/${2#kubernetes@}" >> "/etc/started-${2#kubernetes@}"
"""


@pytest.fixture
def node(tmp_path):
    """``node(script, of, role, programs)``: run a bash script on a machine; its ``/etc``. ``here``: the scripts."""
    etc, opt, lib, fakes, here = (tmp_path / name for name in ("etc", "opt", "lib", "bin", "scripts"))
    (etc / "magnum-lite").mkdir(parents=True)
    shutil.copytree("/etc/alternatives", etc / "alternatives", symlinks=True)  # Debian's awk
    (etc / "kubernetes/pki").mkdir(parents=True)
    for directory in (opt / "kubernetes/bin", lib, fakes, here):
        directory.mkdir(parents=True)
    (etc / "kubernetes/node.json").write_text(
        json.dumps({"hostname": "bay-master-1", "kubelet": {"address": "10.0.0.6"}})
    )

    def run(script, of=None, *, role="master", programs=None, code=0):
        for name in MACHINES[role].scripts:
            shutil.copy(ROOT / name, here)
        for name, text in ({"systemctl": SYSTEMCTL} | (programs or {})).items():
            where = opt / "kubernetes/bin" if name in {"etcdctl", "kubectl"} else fakes
            (where / name).write_text(text)
            (where / name).chmod(0o755)
        settings = kubernetes_settings.settings(of or spec(), role)
        (etc / "magnum-lite/node.env").write_text(user_data.environment(settings))
        (etc / "magnum-lite/etcd-volume").write_text("")
        mounts = f"mount --bind {etc} /etc && mount --bind {opt} /opt && mount --bind {lib} /var/lib"
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", f"{mounts} && here={here} && {script}"],
            env=os.environ | {"PATH": f"{fakes}:{os.environ['PATH']}"},
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    run.etc, run.here = etc, here
    return run


def test_proxies_hold_from_the_first_start_on(node):
    of = spec(http_proxy='http://p"$x`\\:1', no_proxy="near.example")
    node('. "$here/kube.sh" && unit containerd --config x && unit kubelet --y', of)
    lines = (node.etc / "started-containerd").read_text().splitlines()
    assert lines[:2] == ['ARGS="--config x"', r'HTTP_PROXY="http://p\"$x`\\:1"']
    assert lines[3].startswith('NO_PROXY="near.example,localhost,127.0.0.1,.svc,')
    assert (node.etc / "started-kubelet").read_text() == 'ARGS="--y"\n', "it pulls nothing"


def test_images_and_programs_come_through_the_proxy(node):
    for script in ("programs.sh", "images.sh"):
        curl = '#!/bin/bash\necho "$http_proxy $https_proxy $no_proxy" > /etc/asked\nexit 7\n'
        of = spec(http_proxy="http://p:1", https_proxy="http://s:2", no_proxy="near.example",
                  labels={"kube_mirror": "http://mirror.example"})  # fmt: skip
        done = node(f'if bash "$here/{script}"; then exit 5; else exit 0; fi', of, programs={"curl": curl})
        assert (node.etc / "asked").read_text() == "http://p:1 http://s:2 near.example\n", done.stderr
        (node.etc / "asked").unlink()


def test_a_mirror_without_images_is_no_fault_and_one_that_is_away_is(node):
    of = spec(labels={"kube_mirror": "http://mirror.example"})
    for answer, expected in ((22, 0), (7, 1), (28, 1)):
        node(
            'bash "$here/images.sh"',
            of,
            programs={"curl": f"#!/bin/bash\nexit {answer}\n"},
            code=expected,
        )


def test_a_master_tells_of_more_nodes_than_a_command_line_holds(node):
    labels = {f"example.org/label-{i}": "x" * 60 for i in range(8)}
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.3"}}
    made = [
        {"kind": "Node", "metadata": {"name": f"n-{i}", "labels": labels}, "spec": {}, "status": ready}
        for i in range(3000)
    ]
    made[7] |= {"spec": {"unschedulable": True}, "status": {"conditions": []}}
    (node.etc / "list.json").write_text(json.dumps({"kind": "NodeList", "items": made}))
    (node.etc / "node.json").write_text(json.dumps(made[0]))
    (node.etc / "kubernetes/admin.conf").touch()
    (node.etc / "kubernetes/pki/ca-cluster.pem").write_text("CA\n")
    curl = """#!/bin/bash
        case $* in
            *admin.pem*/api/v1/nodes) cat /etc/list.json ;;
            *kubelet.pem*/api/v1/nodes/bay-master-1) cat /etc/node.json ;;
            */readyz) echo -n ok ;;
            *) exit 22 ;;
        esac
    """
    done = node(
        'set -uo pipefail; STATE=/etc ANSWER=/etc/answer; . "$here/kubernetes.sh"; coe_facts',
        programs={"curl": curl},
    )
    told = json.loads(done.stdout)
    assert told["healthy"] and told["engine_id"] == "bay-master-1"
    assert told["versions"]["kubernetes"] == "v1.36.3" and told["versions"]["etcd"]
    assert len(told["engine_nodes"]) == 3000
    assert told["engine_nodes"][7]["state"] == "down"
    assert told["engine_nodes"][7]["availability"] == "drain"
    assert told["engine_nodes"][8]["labels"] == labels


def test_a_part_of_the_api_follows_who_serves_it(node):
    """Deletion of namespaces waits for every part of the API that nobody serves."""
    kubectl = """#!/bin/bash
        case $* in
            *' apply '*) cat >> /etc/applied ;;
            *' get deployment metrics-server '*) cat /etc/available ;;
        esac
    """
    order = {"addons": {"manifests": "all;", "apis": {"metrics-server": "api;"}, "digest": "d1"}}
    (node.etc / "order.json").write_text(json.dumps(order))

    def beat(available):
        (node.etc / "available").write_text(available)
        node(
            'set -uo pipefail; STATE=/etc; . "$here/kubernetes.sh"; . "$here/kubernetes-duties.sh"; '
            "coe_obey /etc/order.json",
            programs={"kubectl": kubectl},
        )
        told = node.etc / "addons"
        return (node.etc / "applied").read_text().replace("\n", ""), told.read_text() if told.exists() else ""

    assert beat("") == ("all;", "")
    assert beat("0") == ("all;", ""), "what is applied is not applied again"
    assert beat("1") == ("all;api;", "d1\n")


@pytest.fixture
def master(node):
    """``master(order)``: control-plane.sh; what etcd's members are then."""
    for name in ("secret-encryption", "secret-service-account"):
        (node.etc / f"kubernetes/pki/{name}").write_text("x\n")

    def run(order, members):
        (node.etc / "order.json").write_text(json.dumps(order))
        (node.etc / "members").write_text("".join(f"{line}\n" for line in members))
        programs = {
            "etcdctl": ETCDCTL,
            "curl": "#!/bin/bash\necho -n ok\n",
            "openssl": "#!/bin/bash\n",
            "journalctl": "#!/bin/bash\n",
        }
        node('bash "$here/control-plane.sh" /etc/order.json', programs=programs)
        return (node.etc / "members").read_text().splitlines()

    run.etc = node.etc
    return run


ORDER = {"join_etcd": ["10.0.0.5", "10.0.0.7"], "etcd_peers": ["10.0.0.5", "10.0.0.6", "10.0.0.7"]}
FIRST = "1, started, bay-master-0, https://10.0.0.5:2380, https://10.0.0.5:2379, false"


def test_the_first_master_begins_etcd(master):
    master({"init_etcd": True}, [])
    started = (master.etc / "started-etcd").read_text()
    assert "--initial-cluster bay-master-1=https://10.0.0.6:2380 --initial-cluster-state new" in started
    assert "promote" not in ((master.etc / "calls").read_text())


def test_the_next_master_joins_and_is_asked_for_until_it_votes(master):
    members = master(ORDER, [FIRST])
    assert members == [FIRST, "9, unstarted, , https://10.0.0.6:2380, , false"]
    assert len((master.etc / "tries").read_text().splitlines()) == 3
    started = (master.etc / "started-etcd").read_text()
    both = "bay-master-0=https://10.0.0.5:2380,bay-master-1=https://10.0.0.6:2380"
    assert f"--initial-cluster {both} --initial-cluster-state existing" in started


def test_a_member_of_a_master_that_failed_is_in_nobodys_way(master):
    strays = [
        "3, unstarted, , https://10.0.0.9:2380, , true",
        "4, started, bay-master-8, https://10.0.0.8:2380, https://10.0.0.8:2379, false",
    ]
    members = master(ORDER, [FIRST, *strays])
    assert [m.split(",")[0] for m in members] == ["1", "9"]
