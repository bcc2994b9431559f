"""Impact and shadow, in every state, as axe, a phone and a dark room see them."""

from typing import Any

import pytest
from playwright.sync_api import Page

from apps.policies import services as policies
from apps.replays import services
from apps.replays.models import ImpactReplay
from apps.vault.models import Payload
from tests.accessibility.looking import Looker
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp
from tests.policies.reviewing import SET, limit, raised, sent
from tests.replays.histories import carried_out, facts, stored

CFO = {"credit_cfo": limit("5500.00", "credit_cfo")["credit_cfo"]}
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_impact(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    amounts = ("180.00", "600.00", "630.00", "700.00", "6000.00")
    gone, *_ = stored([facts(amount) for amount in amounts] + [facts("90.00", currency="USD")])
    Payload.objects.filter(id=gone.input_id).update(body=None, erased_at=gone.decided_at)
    draft, looker = raised("650.00", parameters_too=CFO), Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at(f"/policies/drafts/{draft.id}/", name="impact never replayed")
    replay = services.replay_draft(actor=actor("priya"), draft_id=draft.id)
    looker.at(f"/policies/replays/{replay.id}/", name="impact queued")
    ImpactReplay.objects.filter(id=replay.id).update(chunk_size=3)
    services.advance_replay(replay.id)
    looker.at(f"/policies/drafts/{draft.id}/", name="impact running")
    carried_out(replay)
    looker.at(f"/policies/replays/{replay.id}/", name="impact done")
    looker.at(f"/policies/replays/{replay.id}/decisions/?kind=approval-to-allow", name="impact list")
    looker.at(f"/policies/replays/{replay.id}/decisions/?kind=erased", name="impact erased")
    looker.at(f"/policies/replays/{replay.id}/decisions/?kind=unreadable", name="impact nothing of it")
    services.shadow_draft(actor=actor("priya"), draft_id=draft.id)
    draft = policies.save_draft(actor=actor("priya"), draft_id=draft.id, version=2, parameters=limit("800.00"))
    looker.at(f"/policies/drafts/{draft.id}/", name="impact of an older version and a shadow")
    services.replay_release(actor=actor("priya"), policy_set=SET, version=1)
    looker.at(f"/policies/{SET}/versions/1/", name="impact of a version")
    review = sent(draft)
    looker.sign_in("dana")
    looker.at(f"/policies/reviews/{review.id}/", name="impact on a review")

    assert "\n".join(looker.found) == ""
