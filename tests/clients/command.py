"""Running a client as its user does: a shell line, with the client's own programs and a login in the
environment. Passwords are in the environment only.
"""

import dataclasses
import itertools
import os
import subprocess
from pathlib import Path

from openstack.config import OpenStackConfig

#: A client that waits for an answer longer than this hangs.
SECONDS = 120


def login(state_dir, cloud):
    """The OS_… variables of a cloud of the machine's clouds.yaml: a user, a password, a project."""
    found = OpenStackConfig(config_files=[str(state_dir / "clouds.yaml")]).get_one(cloud=cloud)
    auth = found.auth
    return {
        "OS_AUTH_URL": auth["auth_url"],
        "OS_USERNAME": auth["username"],
        "OS_PASSWORD": auth["password"],
        "OS_USER_DOMAIN_ID": auth["user_domain_id"],
        "OS_PROJECT_NAME": auth["project_name"],
        "OS_PROJECT_DOMAIN_ID": auth["project_domain_id"],
        "OS_REGION_NAME": found.region_name,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_INTERFACE": "public",
        "OS_TENANT_NAME": auth["project_name"],  # as the client of 2016 calls it
    }


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command said: ``out`` and ``err`` as text."""

    code: int
    out: str
    err: str


@dataclasses.dataclass(frozen=True)
class Client:
    """One client, one user, one directory to work in."""

    programs: Path
    login: dict
    directory: Path

    def attempt(self, line, seconds=SECONDS, **environment):
        """What a shell line says, whatever comes of it."""
        where = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "SHELL": "/bin/bash",  # bay-config asks for it
            "LANG": "C.UTF-8",
            "COLUMNS": "400",
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", line],
            cwd=self.directory,
            env=where | self.login | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        print(f"$ {line}\n{done.stdout}{done.stderr}", end="")
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, line, **environment):
        """What a shell line prints; it has to succeed."""
        done = self.attempt(line, **environment)
        assert done.code == 0, f"{line}: {done.code}\n{done.out}\n{done.err}"
        return done.out

    def refused(self, line, **environment):
        """What a shell line says against a request that has to fail."""
        done = self.attempt(line, **environment)
        assert done.code != 0, f"{line}: succeeded\n{done.out}"
        assert "Traceback" not in done.err + done.out, done.err
        return done.out + done.err

    def show(self, line):
        """A command's table of property and value, as a dict."""
        return {row["Property"]: row["Value"] for row in self.table(line)}

    def table(self, line):
        """The rows of a command's table, each a dict by column."""
        return rows(self.run(line))


def rows(text):
    """The rows of a drawn table, each a dict by column. Columns are taken by their place: cells may
    hold bars.
    """
    drawn = text.splitlines()
    rulers = [line for line in drawn if line.startswith("+-")]
    if not rulers:
        return []
    edges = [place for place, sign in enumerate(rulers[0]) if sign == "+"]
    lines = [
        [line[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]
        for line in drawn
        if line.startswith("|")
    ]
    heads, *cells = lines
    return [dict(zip(heads, line, strict=True)) for line in cells]
