"""Whether a halt or a grant is in force is said twice, to the database and of what a process remembers: both say the
same at every moment.
"""

import datetime as dt
from itertools import product

import pytest

from apps.core.generations import read_moment
from apps.halts.models import RAMP_LENGTH, Halt, Mode, ReasonCode, Scope
from apps.registry.models import Grant

pytestmark = pytest.mark.django_db

NEAR = dt.timedelta(minutes=1)


def test_a_halt(world: object) -> None:
    now = read_moment().now
    expiries = (now - NEAR, now + NEAR)
    ramps = (None, now - RAMP_LENGTH - NEAR, now - RAMP_LENGTH + NEAR, now)
    halts = [
        Halt.objects.create(
            scope_type=Scope.MESH,
            scope_name="the whole mesh",
            environment="production",
            mode=mode,
            reason_code=ReasonCode.DRILL,
            placed_by="person:x",
            placed_by_name="X",
            expires_at=expires_at,
            ramp_started_at=ramp,
        )
        for mode, expires_at, ramp in product(Mode, expiries, ramps)
    ]

    said = {halt.id for halt in halts if halt.is_in_force(now)}
    assert said == set(Halt.objects.in_force().filter(id__in=[halt.id for halt in halts]).values_list("id", flat=True))
    assert 0 < len(said) < len(halts)


def test_a_grant(world: object) -> None:
    now = read_moment().now
    grant = Grant.objects.filter(revoked_at=None).first()
    assert grant is not None
    for expires_at, revoked_at in product((None, now - NEAR, now, now + NEAR), (None, now - NEAR)):
        grant.expires_at, grant.revoked_at = expires_at, revoked_at
        grant.save(update_fields=["expires_at", "revoked_at"])
        assert grant.is_in_force(now) == Grant.objects.in_force(now).filter(id=grant.id).exists()
