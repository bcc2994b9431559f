"""Roles of people, and the permissions that follow from them.

`RoleAssignment` is what was given; guardian's rows and the person's global permissions are derived from it here and
nowhere else. A change of `permissions.ROLES` therefore needs a migration that derives them anew.
"""

from django.contrib.auth.models import Permission
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.queries import require_administrator
from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.registry.models import Process, ProcessUserPermission, RoleAssignment
from apps.registry.permissions import ROLES


def assign_role(*, user: User, role: str, process: Process | None, actor: Actor) -> RoleAssignment:
    """The person's role in the process, or in the whole mesh where that is None."""
    require_administrator(actor)
    if role not in ROLES:
        raise Invalid("role.unknown", f"There is no role “{role}”. There are {', '.join(ROLES)}.")
    with transaction.atomic():
        _lock(user)
        assignment, is_new = RoleAssignment.objects.get_or_create(
            user=user,
            role=role,
            process=process,
            defaults={"given_by": actor.key, "given_at": clock.now()},
        )
        if is_new:
            _derive_permissions(user, process)
            _record(actor, "role.assigned", user, role, process)
    return assignment


def withdraw_role(*, user: User, role: str, process: Process | None, actor: Actor) -> None:
    """Take the role away. Permissions that another role of theirs gives as well stay."""
    require_administrator(actor)
    with transaction.atomic():
        _lock(user)
        gone, _ = RoleAssignment.objects.filter(user=user, role=role, process=process).delete()
        if gone:
            _derive_permissions(user, process)
            _record(actor, "role.withdrawn", user, role, process)


def _lock(user: User) -> None:
    """Two roles of one person are given or taken one after the other, or the rows derived last would miss one."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _derive_permissions(user: User, process: Process | None) -> None:
    """Make the person's permissions there exactly those their roles there give."""
    roles = RoleAssignment.objects.filter(user=user, process=process).values_list("role", flat=True)
    names = {permission for role in roles for permission in ROLES.get(role, ())}
    of_processes = Permission.objects.filter(content_type__app_label="registry", content_type__model="process")
    wanted = of_processes.filter(codename__in=names)
    if process is None:
        user.user_permissions.remove(*user.user_permissions.filter(pk__in=of_processes).exclude(pk__in=wanted))
        user.user_permissions.add(*wanted)
        return
    held = ProcessUserPermission.objects.filter(user=user, content_object=process)
    held.exclude(permission__in=wanted).delete()
    missing = wanted.exclude(pk__in=held.values("permission"))
    ProcessUserPermission.objects.bulk_create(
        ProcessUserPermission(user=user, content_object=process, permission=permission) for permission in missing
    )


def _record(actor: Actor, code: str, user: User, role: str, process: Process | None) -> None:
    audit.record(
        actor,
        code,
        subject_type="person",
        subject_id=user.id,
        subject_name=str(user),
        process=process.slug if process else "",
        data={"role": role, "process": process.slug if process else None},
    )
