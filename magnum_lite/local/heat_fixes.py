"""What must be different inside Heat 27's engine on one machine: four places, and why.

The first three are of the legacy engine, which Heat itself no longer develops.
"""

from typing import Any

STEP_SECONDS = 0.2


def apply() -> None:
    """Change the engine of this process. Call once, after Heat's configuration was read."""
    from heat.common import exception
    from heat.engine import scheduler
    from heat.engine.resources import stack_resource, template_resource
    from heat.engine.resources.openstack.heat import wait_condition
    from heat.engine.resources.openstack.octavia import octavia_base

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

    # A nested stack's outputs are read when an update begins, and kept: what is made after the nested
    # stack has changed would be told of a pool that was replaced.
    stock_check = stack_resource.StackResource.check_update_complete

    def check_update_complete(self: Any, *args: Any) -> bool:
        done = bool(stock_check(self, *args))
        if done:
            self._outputs = None
            self.attributes.reset_resolved_values()
        return done

    template_resource.TemplateResource.check_update_complete = check_update_complete

    # A part of a load balancer that was on its way when Heat was killed is made anew before the old one goes.
    # That is a conflict (one port, one monitor), after which Heat asks again until its time is over. What is
    # there and well is kept, as Heat does with Neutron's.
    def needs_replace_failed(self: Any) -> bool:
        found: dict[str, Any] = {}
        if self.resource_id:
            with self.client_plugin().ignore_not_found:
                found = self._show_resource()
        return found.get("provisioning_status") != "ACTIVE"

    octavia_base.OctaviaBase.needs_replace_failed = needs_replace_failed
