"""What a check of the machine answers.

Reason ids are stable, as minikube's are: scripts may match them.
"""

import dataclasses
import enum


class Severity(enum.StrEnum):
    """``error``: it will not work. ``warning``: part of it will not. ``note``: know this."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class ExitClass(enum.IntEnum):
    """Exit codes by class, with minikube's numbers (its pkg/minikube/reason/exitcodes.go)."""

    OK = 0
    RESOURCE = 20  # RSRC_*: disk, memory
    HOST = 30  # HOST_*: kernel, tools, permissions
    PROVIDER = 60  # PROVIDER_*: dockerd and the node image
    LOCAL_NETWORK_CONFLICT = 71  # PORT_*
    SERVICE = 110  # SVC_*: our own services


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``advice`` is a command or a sentence, empty when all is well."""

    reason_id: str
    ok: bool
    severity: Severity
    message: str
    advice: str = ""
    exit_class: ExitClass = ExitClass.OK
