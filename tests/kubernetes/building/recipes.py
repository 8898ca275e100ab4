"""What is built, from which published Go modules. doc/kubernetes-mirror.rst has the same versions as a
node asks for them; a test keeps both equal.
"""

import dataclasses

VERSIONS = ("v1.36.3", "v1.37.2")  # the second is what the first is upgraded to

# Where Kubernetes and its clients keep the version that they tell. Its build stamps the date of the build;
# here two builds of one source are the same file.
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_DATE = "1970-01-01T00:00:00Z"


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Programs of one Go module. ``programs``: file name → package; ``stamps``: the linker's ``-X``;
    ``staging``: its k8s.io modules are replaced by a directory of its repository that the published module
    does not have, and are taken at this version instead; ``left_out``: imports that are dropped, as their
    own modules can not be had everywhere; ``cgo``: linked statically with libseccomp.
    """

    name: str
    module: str
    version: str
    programs: tuple[tuple[str, str], ...]
    stamps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    staging: str = ""
    left_out: tuple[str, ...] = ()
    cgo: bool = False


def kubernetes(version: str) -> Unit:
    """The programs of a node and a control plane. ``version`` like v1.36.3."""
    names = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"
    return _of_kubernetes(f"kubernetes-{version}", version, tuple((n, f"cmd/{n}") for n in names))


def _of_kubernetes(name: str, version: str, programs: tuple[tuple[str, str], ...]) -> Unit:
    major, minor, patch = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "archive",
        "buildDate": _DATE,
    }
    return Unit(
        name=name,
        module="k8s.io/kubernetes",
        version=version,
        programs=tuple((file, f"k8s.io/kubernetes/{package}") for file, package in programs),
        stamps=tuple(f"{where}.{key}={value}" for where in _STAMPED for key, value in values.items()),
        staging=f"v0.{minor}.{patch}",
    )


ETCD = "v3.6.16"
CONTAINERD = "v2.3.7"
RUNC = "v1.4.4"
CNI = "v1.9.1"
FLANNEL = "v0.28.10"
COREDNS = "v1.14.7"
METRICS_SERVER = "v0.9.0"
LOCAL_PATH = "v0.0.30"
CLOUD_PROVIDER = "v1.36.0"
PAUSE = "3.10.2"

_CNI_PLUGINS = (
    ("bridge", "main/bridge"),
    ("loopback", "main/loopback"),
    ("host-local", "ipam/host-local"),
    ("portmap", "meta/portmap"),
    ("bandwidth", "meta/bandwidth"),
)

OTHERS = (
    Unit(
        "etcd",
        "go.etcd.io/etcd/server/v3",
        ETCD,
        (("etcd", "go.etcd.io/etcd/server/v3"),),
    ),
    Unit(
        "etcdctl",
        "go.etcd.io/etcd/etcdctl/v3",
        ETCD,
        (("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),),
    ),
    Unit(
        "containerd",
        "github.com/containerd/containerd/v2",
        CONTAINERD,
        tuple(
            (name, f"github.com/containerd/containerd/v2/cmd/{name}")
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        ),
        stamps=(
            f"github.com/containerd/containerd/v2/version.Version={CONTAINERD}",
            "github.com/containerd/containerd/v2/version.Package=github.com/containerd/containerd/v2",
        ),
        tags=("no_btrfs", "no_devmapper", "no_zfs", "osusergo", "netgo"),
    ),
    Unit(
        "runc",
        "github.com/opencontainers/runc",
        RUNC,
        (("runc", "github.com/opencontainers/runc"),),
        tags=("seccomp", "osusergo", "netgo"),
        cgo=True,
    ),
    Unit(
        "cni",
        "github.com/containernetworking/plugins",
        CNI,
        tuple(
            (n, f"github.com/containernetworking/plugins/plugins/{package}") for n, package in _CNI_PLUGINS
        ),
        stamps=(f"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion={CNI}",),
    ),
    Unit(
        "flannel",
        "github.com/flannel-io/flannel",
        FLANNEL,
        (("flanneld", "github.com/flannel-io/flannel"),),
        stamps=(f"github.com/flannel-io/flannel/pkg/version.Version={FLANNEL}",),
        # Backends that no bay has: a cloud's, whose SDK needs a site of its own, and one for debugging, in C.
        left_out=tuple(f"github.com/flannel-io/flannel/pkg/backend/{name}" for name in ("tencentvpc", "udp")),
    ),
    Unit(
        "coredns",
        "github.com/coredns/coredns",
        COREDNS,
        (("coredns", "github.com/coredns/coredns"),),
        # Zones that lie in other clouds, and tracing: most of the time of the build, and not of a bay's DNS.
        left_out=tuple(
            f"github.com/coredns/coredns/plugin/{name}" for name in ("azure", "clouddns", "route53", "trace")
        ),
    ),
    Unit(
        "local-path",
        "github.com/rancher/local-path-provisioner",
        LOCAL_PATH,
        (("local-path-provisioner", "github.com/rancher/local-path-provisioner"),),
        stamps=(f"main.VERSION={LOCAL_PATH}",),
    ),
    Unit(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        METRICS_SERVER,
        (("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),),
        stamps=(f"k8s.io/client-go/pkg/version.gitVersion={METRICS_SERVER}",),
    ),
    *(
        Unit(
            name,
            "k8s.io/cloud-provider-openstack",
            CLOUD_PROVIDER,
            ((name, f"k8s.io/cloud-provider-openstack/cmd/{name}"),),
            stamps=(f"k8s.io/cloud-provider-openstack/pkg/version.Version={CLOUD_PROVIDER}",),
        )
        for name in ("openstack-cloud-controller-manager", "cinder-csi-plugin")
    ),
)

# For tests outside of bays. Its companions, which attach a volume and tell a kubelet of the plug-in, are not
# published as Go modules everywhere.
BESIDE = (
    Unit(
        "csi-provisioner",
        "github.com/kubernetes-csi/external-provisioner/v5",
        "v5.3.0",
        (("csi-provisioner", "github.com/kubernetes-csi/external-provisioner/v5/cmd/csi-provisioner"),),
        stamps=("main.version=v5.3.0",),
    ),
)
