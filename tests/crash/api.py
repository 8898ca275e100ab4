"""The API as it is served in a cloud, but for two things that are not Heat's: callers are who they say they
are, and images, flavors and networks are those of the in-memory look-ups. Its cast may be its last.
"""

import dataclasses

from magnum_lite import wsgi
from magnum_lite.api.app import bare_application
from magnum_lite.cloud.memory import MemoryLookups
from tests.crash import mines


class _Conductors(mines.Mined):
    def look(self, cluster_uuid):
        """A nudge, after the commit."""
        mines.step_on(mines.API)
        self._port.look(cluster_uuid)


deps = dataclasses.replace(
    wsgi.deps, lookups=MemoryLookups(), conductors=_Conductors(wsgi.deps.conductors, {})
)
application = bare_application(deps)
