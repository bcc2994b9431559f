"""I11: decisions that are kept can be made again. Over histories made up by chance: under the release they were made
under nothing differs, and under a draft each comes out as it would have been decided under that draft.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.policies import services as policies
from apps.policies.evaluation import decide
from apps.policies.queries import active_releases, version_of
from apps.replays import services
from apps.replays.kinds import kind_between
from tests.access.scene import undone
from tests.conftest import Robot, actor, credit, robot_named
from tests.policies.reviewing import SET, raised, released
from tests.replays.histories import carried_out, facts, kinds, listed, stored

pytestmark = pytest.mark.django_db

amounts = st.sampled_from(["0.01", "99.99", "499.99", "500.00", "500.01", "750.00", "750.01", "5000.00", "5000.01"])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "amount": amounts,
            "currency": st.sampled_from(["EUR", "EUR", "USD"]),
            "tool": st.sampled_from(["erp.issue_credit_memo", "erp.write_off"]),
            "run_calls": st.integers(0, 60),
            "confidence": st.none() | st.floats(0, 1),
            "region": st.none() | texts,
            "approved_by": st.lists(texts, max_size=2).map(tuple),
        },
        optional={"arguments": st.builds(lambda more: credit() | more, st.dictionaries(texts, texts, max_size=2))},
    ),
    max_size=12,
)
drafts = st.fixed_dictionaries(
    {
        "value": st.sampled_from(["1.00", "500.00", "750.00", "5000.00"]),
        "more": st.sampled_from(
            [
                "",
                '@id("steps") @says("Too many") forbid (principal, action, resource) when { context.run.calls > 40 };',
                '@id("unsure") @says("Unsure") forbid (principal, action, resource) '
                'when { context has confidence && context.confidence.lessThan(decimal("0.5")) };',
                '@id("two") @says("Two look") @approval("cfo-office:2") permit (principal, action, resource) '
                'when { context has region && context.region like "*a*" };',
            ]
        ),
    }
)
# making a failing history smaller takes minutes, and the histories are small
property_of_histories = settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def drafted(draft: dict[str, Any]) -> Any:
    text = raised().versions.get(number=1).text + draft["more"]
    return raised(draft["value"], text=text)


def replayed(draft_id: Any) -> Any:
    return carried_out(services.replay_draft(actor=actor("priya"), draft_id=draft_id))


@property_of_histories
@given(before=calls, after=calls)
def test_a_draft_equal_to_the_release_differs_in_nothing(writer: Robot, before: Any, after: Any) -> None:
    def play() -> None:
        stored(facts(**each) for each in before)
        same = policies.start_draft(actor=actor("alex"), policy_set=SET)
        replay = replayed(same.id)
        assert (replay.done_count, kinds(replay)) == (len(before), {})
        stored(facts(**each) for each in after)
        release = services.replay_release(actor=actor("alex"), policy_set=SET, version=1)
        assert (carried_out(release).done_count, kinds(release)) == (len(before) + len(after), {})

    undone(play)


@property_of_histories
@given(history=calls, draft=drafts)
def test_each_comes_out_as_it_would_have_been_decided(writer: Robot, history: Any, draft: Any) -> None:
    def play() -> None:
        made = [facts(**each) for each in history]
        decisions = stored(made)
        found = drafted(draft)
        differing = listed(replayed(found.id))
        policies.publish_release(
            policy_set=SET,
            process=robot_named("writer").agent.process,
            text=version_of(found).text,
            parameters=version_of(found).parameters,
            environments=["production"],
            actor=actor("alex"),
        )
        live = active_releases(process_id=robot_named("writer").agent.process_id, environment="production")
        for each, decision in zip(made, decisions, strict=True):
            now = decide(each, live)
            if now.outcome != decision.outcome:
                assert differing[decision.id] == kind_between(decision.outcome, now.outcome)
            elif now.outcome != "deny" and now.obligations.as_json() != decision.obligations:
                assert differing[decision.id] == "other-demands"
            else:
                assert decision.id not in differing

    undone(play)


def test_the_gateway_then_decides_as_the_replay_said(writer: Robot) -> None:
    """Through the door: calls are made, the draft is replayed and released, and the same calls are made again."""
    amounts = ("180.00", "500.01", "700.00", "750.01", "5000.01")
    for number, amount in enumerate(amounts):
        writer.call(amount, key=f"before-{number}")
    replay = replayed(raised("750.00").id)
    said = {row.tool_call.idempotency_key: row.outcome_after for row in replay.rows.select_related("tool_call")}
    assert set(said) == {"before-1", "before-2"}
    released("750.00")
    for number, amount in enumerate(amounts):
        answer = writer.call(amount, key=f"after-{number}").json()["decision"]["outcome"]
        before = "allow" if amount == "180.00" else "require_approval"
        assert answer == said.get(f"before-{number}", before)


def test_decisions_under_several_releases_are_each_replayed_beside_their_own(writer: Robot) -> None:
    """Between two decisions the other set changed: each is replayed beside what that was then."""
    first = active_releases(process_id=writer.agent.process_id, environment="production")
    stored([facts("600.00")], first)
    policies.publish_release(
        policy_set="global",
        process=None,
        text='@id("none") @says("Nothing") forbid (principal, action, resource);',
        parameters={},
        environments=["production"],
        actor=actor("alex"),
    )
    stored([facts("600.00")])
    assert kinds(replayed(raised("750.00").id)) == {"approval-to-allow": 1}
