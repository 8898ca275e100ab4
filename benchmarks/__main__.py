"""SQL statements and CPU time of the API's answers, in process, on SQLite (see doc for upstream's)."""

import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from tests.support.stand import Stand

CLUSTERS = 100
REPEAT = 20


def main() -> None:
    """Print a line per request."""
    stand = Stand(Path(tempfile.gettempdir()), cluster__max_clusters_per_project=-1)
    template = stand.template()
    uuids = [stand.cluster(template) for _ in range(CLUSTERS)]
    statements = []
    sa.event.listen(
        stand.database.engine,
        "before_cursor_execute",
        lambda _c, _u, text, *_: statements.append(text) if not text.startswith("BEGIN") else None,
    )
    print(f"{'request':44} {'SQL':>4} {'CPU ms':>7}")
    paths = ("/", f"/v1/clusters/{uuids[0]}", "/v1/clusters?limit=100", "/v1/clusters/detail?limit=100")
    for path in (*paths, "/v1/bays/detail", "/v1/clustertemplates"):
        statements.clear()
        stand.api.get(path)
        count, best = len(statements), 1e9
        for _ in range(REPEAT):
            before = time.process_time()
            stand.api.get(path)
            best = min(best, time.process_time() - before)
        print(f"{path.replace(uuids[0], '{uuid}'):44} {count:4} {best * 1000:7.1f}")


if __name__ == "__main__":
    main()
