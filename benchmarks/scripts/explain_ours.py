"""Asks this service's database about its pages: the uuid in the middle of an order, or the plans."""

import json
import sys
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "applications"))
from caller import PROJECT

from magnum_lite import config
from magnum_lite.db import clusters
from magnum_lite.db.rows import Page
from magnum_lite.db.schema import cluster
from magnum_lite.db.session import Database

_EXPLAIN = {
    "sqlite": "EXPLAIN QUERY PLAN ",
    "mysql": "EXPLAIN ",
    "mariadb": "EXPLAIN ",
    "postgresql": "EXPLAIN ",
}


def middle(database, order):
    """The uuid of the row in the middle."""
    key = cluster.c[order]
    with database.read() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(cluster)).scalar_one()
        query = sa.select(cluster.c.uuid).order_by(key, cluster.c.id).offset(count // 2).limit(1)
        return {"uuid": connection.execute(query).scalar_one()}


def plans(database, orders):
    """The plan of the page's own statement, as the service builds it."""
    out = {}
    for order in orders:
        uuid = middle(database, order)["uuid"]
        for who, project in (("member", PROJECT), ("admin", None)):
            seen = []

            def keep(_connection, _cursor, statement, parameters, *_rest, seen=seen):
                seen.append((statement, parameters))

            with database.read() as connection:
                sa.event.listen(database.reading, "before_cursor_execute", keep)
                clusters.page(connection, project, Page(100, uuid, order), detail=False)
                sa.event.remove(database.reading, "before_cursor_execute", keep)
                statement, parameters = seen[-1]
                explain = _EXPLAIN[connection.dialect.name] + statement
                found = connection.exec_driver_sql(explain, parameters).all()
            out[f"{order}, {who}"] = _short(connection.dialect.name, found)
    return out


def _short(dialect, found):
    if dialect in {"mysql", "mariadb"}:
        row = found[0]._mapping
        return f"{row['type']} {row['key']}" + (
            f", {row['Extra']}" if "filesort" in (row["Extra"] or "") else ""
        )
    lines = [str(row[-1]).strip().removeprefix("->  ") for row in found]
    wanted = [
        x.split("  (cost")[0]
        for x in lines
        if any(w in x for w in ("SEARCH", "SCAN", "Scan", "Sort", "TEMP"))
    ]
    return "; ".join(wanted)


def main(path, what, *orders):
    """Print JSON."""
    database = Database(config.load(["--config-file", path]).database.connection)
    print(json.dumps(middle(database, orders[0]) if what == "middle" else plans(database, orders)))


if __name__ == "__main__":
    main(*sys.argv[1:])
