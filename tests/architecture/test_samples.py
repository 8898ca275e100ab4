"""The samples under etc/ are what the code says."""

import re

import pytest
from oslo_config import cfg, generator
from oslo_policy import generator as policy_generator

from magnum_lite import config, paths, policy

ROOT = paths.heat_templates().parent / "etc" / "magnum_lite"


def test_the_options_sample(tmp_path):
    out = tmp_path / "sample"
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(["--config-file", str(ROOT / "config-generator.conf"), "--output-file", str(out)])
    generator.generate(conf)
    ours = {f"[{group}]" for group, _ in config.list_opts()}

    def sections(text):
        found, name = {}, ""
        for line in text.splitlines():
            if line.startswith("["):
                name = line
            elif name in ours:
                found.setdefault(name, []).append(line)
        return found

    assert sections((ROOT / "magnum_lite.conf.sample").read_text()) == sections(out.read_text()), (
        "run make samples"
    )


def test_the_policy_sample(tmp_path):
    out = tmp_path / "policy.yaml"
    policy_generator._generate_sample(["magnum_lite"], str(out))
    assert (ROOT / "policy.yaml.sample").read_text() == out.read_text(), "run make samples"


@pytest.mark.parametrize("rule", policy.list_rules(), ids=lambda rule: rule.name)
def test_rules_refer_to_rules(rule):
    known = {each.name for each in policy.list_rules()}
    assert set(re.findall(r"rule:([\w:-]+)", rule.check_str)) <= known
