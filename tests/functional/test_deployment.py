"""What is shipped for operators in etc/: units, servers' settings, and an example of ours."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from keystonemiddleware.opts import list_auth_token_opts
from oslo_config import cfg
from oslo_messaging.opts import list_opts as list_bus_opts
from oslo_middleware.healthcheck import opts as health_opts

from magnum_lite import config, paths
from tests.support import packages

ETC = paths.settings()
UNITS = sorted((ETC.parent / "systemd").glob("*.service"))
PROGRAMS = Path(sys.executable).parent
GUIDE = ETC.parent.parent / "doc" / "install.rst"


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.stem)
def test_systemd_likes_the_units(unit, tmp_path):
    analyze, needs = packages.systemd_analyze()
    text = unit.read_text()
    (program,) = re.findall(r"^ExecStart=/opt/magnum-lite/bin/(\S+)", text, re.MULTILINE)
    assert (PROGRAMS / program).exists(), "the environment has what the unit starts"
    here = tmp_path / unit.name
    here.write_text(text.replace("/opt/magnum-lite/bin", str(PROGRAMS)))
    done = subprocess.run(
        [analyze, "verify", "--man=no", here],
        env={**os.environ, **needs}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    about = [line for line in done.stderr.splitlines() if unit.name in line]
    assert not about, about


def test_units_wait_for_what_drains():
    assert len(UNITS) == 5
    for unit in UNITS:
        text = unit.read_text()
        assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) >= 10
        assert "User=magnum-lite" in text and "NoNewPrivileges=yes" in text


def test_every_option_of_the_example_is_one():
    conf = config.load([], cfg.ConfigOpts())
    for group, options in [*list_auth_token_opts(), *list_bus_opts()]:
        conf.register_opts(options, group=group)
    conf.register_opts(health_opts.DISABLE_BY_FILE_OPTS, group="healthcheck")
    found = configparser.RawConfigParser(default_section="-")
    found.read(ETC / "magnum_lite.conf.example")
    plugin = {"auth_url", "username", "password", "user_domain_name", "project_name", "project_domain_name"}
    for section in found.sections():
        known = set(conf if section == "DEFAULT" else getattr(conf, section))
        more = plugin if section == "keystone_authtoken" else set()
        assert set(found[section]) - known - more == set(), section


def test_the_guide_names_what_there_is():
    text = GUIDE.read_text()
    for option in re.findall(r"``\[(\w+)\] (\w+)", text):
        group, name = option
        if group in config.GROUPS:
            assert name in {o.dest for o in config.GROUPS[group]}, option
    for file in ("magnum_lite.conf.example", "magnum_lite.conf.sample", "haproxy.cfg"):
        assert file in text and (ETC / file).exists()
    for program in re.findall(r"``(magnum-lite-[a-z-]+)``", text):
        assert (PROGRAMS / program).exists(), program
