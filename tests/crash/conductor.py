"""``python -m tests.crash.conductor``: the conductor as it is, on mined ground."""

import sys

from magnum_lite.cmd.conductor import main
from tests.crash import mines

if __name__ == "__main__":
    sys.exit(main(at_point=mines.step_on, prepare=mines.prepare))
