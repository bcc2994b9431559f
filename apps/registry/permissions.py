"""What may be done in a process, and which role may do it. Held per process, or for the whole mesh."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

VIEW = "view_process"
APPROVE = "approve_in_process"
HALT = "halt_in_process"
AUDIT = "audit_process"
MANAGE = "manage_process"
GOVERN = "govern_process"
OPERATE = "operate_process"
REVEAL = "reveal_in_process"
RELEASE_ALONE = "release_alone_in_process"
RETAIN = "retain_in_process"

# Names for the database; VIEW is Django's own.
PERMISSIONS: "list[tuple[str, str | StrPromise]]" = [
    (APPROVE, "Can vote on approvals of this process"),
    (HALT, "Can place and lift halts in this process"),
    (AUDIT, "Can read the audit log of this process"),
    (MANAGE, "Can change agents, tools and grants of this process"),
    (GOVERN, "Can change how approvals work in this process, and who may approve how much"),
    (OPERATE, "Can settle what agents left unclear in this process, and undo what they did"),
    (REVEAL, "Can reveal masked content of a call in this process, with a reason"),
    (RELEASE_ALONE, "Can release policies of this process alone in an emergency, to be reviewed afterwards"),
    (RETAIN, "Can say how long content of this process is kept, hold it, and erase that of a run"),
]

# How a refusal names each: "You may not …".
DOES = {
    VIEW: "look at agents and runs",
    APPROVE: "vote on approvals",
    HALT: "place or lift halts",
    AUDIT: "read the audit log",
    MANAGE: "change agents, tools and grants",
    GOVERN: "change rules and limits of approvals",
    OPERATE: "settle or undo what agents did",
    REVEAL: "reveal masked content",
    RELEASE_ALONE: "release policies alone",
    RETAIN: "say how long content is kept, hold it or erase it",
}

ROLES: dict[str, tuple[str, ...]] = {
    "approver": (VIEW, AUDIT, APPROVE),
    "operator": (VIEW, AUDIT, HALT, OPERATE),
    "compliance": (VIEW, AUDIT, REVEAL, RETAIN),
    "owner": (VIEW, AUDIT, HALT, GOVERN, OPERATE, REVEAL, RELEASE_ALONE, RETAIN),
    "engineer": (VIEW, AUDIT, MANAGE),
    "viewer": (VIEW,),
}
