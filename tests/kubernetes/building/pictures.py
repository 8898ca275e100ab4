"""Which images there are: the bay's own under their projects' names, made from the same sources, and those
of the tests.
"""

import subprocess
from pathlib import Path

from magnum_lite.local.demo import debian_programs
from tests.kubernetes.building import recipes
from tests.kubernetes.building.compiler import BuildError, compiled, source
from tests.kubernetes.building.oci import Image, layer

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_LIBRARIES = (
    ("libc6", "lib/x86_64-linux-gnu/libc.so.6"),
    ("libc6", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    ("libxtables12", "usr/lib/x86_64-linux-gnu/libxtables.so.12"),
    ("libmnl0", "usr/lib/x86_64-linux-gnu/libmnl.so.0"),
    ("libnftnl11", "usr/lib/x86_64-linux-gnu/libnftnl.so.11"),
)
_IPTABLES = (
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
)


def of_the_bay(inside: Path) -> tuple[tuple[str, str, Image], ...]:
    """(file, nodes, image): what doc/kubernetes-mirror.rst lists. ``inside`` is a workshop."""
    coredns, metrics, local = (_program(name) for name in ("coredns", "metrics-server", "local-path"))
    tls = {"etc/ssl/certs/ca-certificates.crt": CERTIFICATES}
    return (
        (
            "pause.tar",
            "every",
            Image(
                f"registry.k8s.io/pause:{recipes.PAUSE}",
                layer({"pause": _pause(inside)}),
                ("/pause",),
                user="65535:65535",
            ),
        ),
        (
            "flannel.tar",
            "every",
            Image(f"ghcr.io/flannel-io/flannel:{recipes.FLANNEL}", _flannel(tls), ("/opt/bin/flanneld",)),
        ),
        (
            "coredns.tar",
            "addon",
            # The project's own has a file capability; the manifest of the bay grants NET_BIND_SERVICE to root.
            Image(
                f"registry.k8s.io/coredns/coredns:{recipes.COREDNS}",
                layer({"coredns": coredns, **tls}),
                ("/coredns",),
            ),
        ),
        (
            "metrics-server.tar",
            "addon",
            Image(
                f"registry.k8s.io/metrics-server/metrics-server:{recipes.METRICS_SERVER}",
                layer({"metrics-server": metrics, **tls}),
                ("/metrics-server",),
                user="65534:65534",
            ),
        ),
        (
            "local-path.tar",
            "addon",
            Image(
                f"docker.io/rancher/local-path-provisioner:{recipes.LOCAL_PATH}",
                layer({"usr/bin/local-path-provisioner": local, **_busybox(), **tls}, _applets()),
                ("local-path-provisioner",),
            ),
        ),
        *(
            (
                f"{name}.tar",
                "cloud",
                Image(
                    f"registry.k8s.io/provider-os/{name}:{recipes.CLOUD_PROVIDER}",
                    layer({f"bin/{name}": _program(name), **tls}),
                    (f"/bin/{name}",),
                ),
            )
            for name in ("openstack-cloud-controller-manager", "cinder-csi-plugin")
        ),
    )


def of_the_tests() -> tuple[tuple[str, str, Image], ...]:
    """(file, nodes, image): a busybox, and the talk's two programs as scripts on it."""
    here = Path(__file__).parent / "images"
    scripts = {"redis": {"bin/redis": here / "redis.sh"}, "web": {"www/cgi-bin/index.cgi": here / "web.sh"}}
    commands = {
        "busybox": ("/bin/sh",),
        "redis": ("/bin/nc", "-ll", "-p", "6379", "-e", "/bin/redis"),
        "web": ("/bin/httpd", "-f", "-p", "5000", "-h", "/www"),
    }
    names = {"busybox": "docker.io/library/busybox:latest"}
    return tuple(
        (
            f"{name}.tar",
            "extra",
            Image(
                names.get(name, f"docker.io/magnum-lite/{name}:1"),
                layer(
                    {**_busybox(), **{p: f.read_bytes() for p, f in scripts.get(name, {}).items()}},
                    _applets(),
                ),
                (),
                command,
                path="/bin",
            ),
        )
        for name, command in commands.items()
    )


def _program(name: str) -> Path:
    unit = next(one for one in recipes.OTHERS if one.name == name)
    return compiled(unit) / unit.programs[0][0]


def _pause(inside: Path) -> Path:
    """Kubernetes' own pause.c, static."""
    text = source("k8s.io/kubernetes", recipes.VERSIONS[0]) / "build" / "pause" / "linux" / "pause.c"
    flags = ("-Os", "-Wall", "-Werror", "-static", f"-DVERSION=v{recipes.PAUSE}", "-s")
    done = subprocess.run(
        ["gcc", *flags, "-o", str(inside / "pause"), str(text)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"gcc: {done.stderr.strip()[-2000:]}")
    return inside / "pause"


def _flannel(tls: dict[str, Path]) -> bytes:
    """flanneld calls iptables, so that comes along, from Debian."""
    tool = "usr/sbin/xtables-nft-multi"
    multi = debian_programs.unpacked("iptables", tool)
    modules = multi.parents[1] / "lib" / "x86_64-linux-gnu" / "xtables"
    files: dict[str, Path | bytes] = {"opt/bin/flanneld": _program("flannel"), tool: multi, **tls}
    files |= {name: debian_programs.unpacked(package, name) for package, name in _LIBRARIES}
    files |= {f"usr/lib/x86_64-linux-gnu/xtables/{found.name}": found for found in modules.glob("*.so")}
    links = {f"usr/sbin/{name}": "xtables-nft-multi" for name in _IPTABLES}
    return layer(files, links | {"lib64/ld-linux-x86-64.so.2": "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"})


def _busybox() -> dict[str, Path | bytes]:
    return {"bin/busybox": debian_programs.busybox()}


def _applets() -> dict[str, str]:
    told = subprocess.run(
        [str(debian_programs.busybox()), "--list"], capture_output=True, text=True, check=True
    )
    return {f"bin/{name}": "busybox" for name in told.stdout.split() if name != "busybox"}
