"""What may be done in a process, and which role may do it. Held per process, or for the whole mesh."""

VIEW = "view_process"
APPROVE = "approve_in_process"
HALT = "halt_in_process"
AUDIT = "audit_process"
MANAGE = "manage_process"

# Names for the database; VIEW is Django's own.
PERMISSIONS = [
    (APPROVE, "Can vote on approvals of this process"),
    (HALT, "Can place and lift halts in this process"),
    (AUDIT, "Can read the audit log of this process"),
    (MANAGE, "Can change agents, tools and grants of this process"),
]

ROLES: dict[str, tuple[str, ...]] = {
    "approver": (VIEW, AUDIT, APPROVE),
    "operator": (VIEW, AUDIT, HALT),
    "compliance": (VIEW, AUDIT),
    "owner": (VIEW, AUDIT, HALT),
    "engineer": (VIEW, AUDIT, MANAGE),
    "viewer": (VIEW,),
}
