"""oslo.messaging insists on the global ``cfg.CONF``, which this process shares with Heat's library."""

import contextlib

from oslo_config import cfg

from magnum_lite import config, rpc


@contextlib.contextmanager
def ours(*argv):
    """``cfg.CONF`` with our options only in our groups; whatever Heat registered there is put back."""
    cfg.CONF.reset()
    kept = {name: cfg.CONF._groups.pop(name) for name in config.GROUPS if name in cfg.CONF._groups}
    try:
        yield config.load(list(argv))
    finally:
        cfg.CONF.reset()
        for name in config.GROUPS:
            cfg.CONF._groups.pop(name, None)
        cfg.CONF._groups.update(kept)


@contextlib.contextmanager
def bus(directory):
    """A message bus in this process."""
    path = directory / "magnum_lite.conf"
    path.write_text("[DEFAULT]\ntransport_url = fake://\n")
    with ours("--config-file", str(path)) as conf:
        made = rpc.transport(conf)
        yield made
        made.cleanup()
