"""``python -m tests.kubernetes.building``: build the mirror, and say where it is.

``python -m tests.kubernetes.building UNIT…`` builds just these (``kubernetes-v1.36.3``, ``etcd``, …).
"""

import sys
import time

from tests.kubernetes.building import compiler, mirror, recipes


def main(names: list[str]) -> int:
    """0, or 1 with the reason on stderr."""
    # What a bay needs comes before what it is upgraded to.
    first, *newer = (recipes.kubernetes(version) for version in recipes.VERSIONS)
    units = (first, *recipes.OTHERS, *newer, *recipes.BESIDE)
    unknown = set(names) - {unit.name for unit in units}
    if unknown:
        print(f"no such unit: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    try:
        for unit in units:
            if not names or unit.name in names:
                begun = time.monotonic()
                where = compiler.compiled(unit)
                print(f"{unit.name} {unit.version}: {time.monotonic() - begun:.0f} s, {where}", flush=True)
        if not names:
            print(mirror.built())
    except compiler.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
