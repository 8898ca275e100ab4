"""What must be different inside Heat 27's engine on one machine: two places, and why.

Both are of the legacy engine, which Heat itself no longer develops.
"""

from typing import Any

STEP_SECONDS = 0.2


def apply() -> None:
    """Change the engine of this process. Call once, after Heat's configuration was read."""
    from heat.common import exception
    from heat.engine import scheduler
    from heat.engine.resources.openstack.heat import wait_condition

    # A task sleeps a second between two steps, and a stack takes a step for each level of dependency
    # and of nesting. A shorter step makes small stacks several times faster.
    stock_sleep = scheduler.TaskRunner._sleep  # noqa: SLF001

    def sleep(self: Any, wait_time: float | None) -> None:
        stock_sleep(self, wait_time and wait_time * STEP_SECONDS)

    scheduler.TaskRunner._sleep = sleep  # noqa: SLF001

    # An update that replaces a FAILED wait condition deletes the old one in a backup stack, which
    # never had its handle: UPDATE_FAILED, then DELETE_FAILED for ever. There is nothing to reset then.
    stock_delete = wait_condition.HeatWaitCondition.handle_delete

    def handle_delete(self: Any) -> None:
        try:
            stock_delete(self)
        except exception.ResourceNotAvailable:
            return

    wait_condition.HeatWaitCondition.handle_delete = handle_delete
