"""A person says what became of a call whose outcome nobody knows, and where the proof is."""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed
from apps.gateway.arguments import schema_errors
from apps.gateway.consent import makers_of
from apps.gateway.events import ToolCallQuestioned, ToolCallResolved
from apps.gateway.limits import excess_of
from apps.gateway.models import CallState, Finding, Resolution, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.services.concluding import conclude, locked_unknown
from apps.gateway.telling import add_call_span, record_call
from apps.registry.permissions import OPERATE
from apps.registry.queries import require
from apps.registry.schemas import pointer_of
from apps.runs.models import SpanKind, SpanStatus
from apps.vault import services as vault

NO_EFFECT = MeshError("resolved.no_effect", "A person looked and found that nothing happened.")
SPAN_STATUS_FOR = {
    Finding.HAPPENED: SpanStatus.OK,
    Finding.DID_NOT_HAPPEN: SpanStatus.ERROR,
    Finding.STILL_UNKNOWN: SpanStatus.UNKNOWN,
}
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
# What a browser follows without running it.
LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a person found and where. `result` is what the system answered, where they could see it."""

    finding: str
    words: str
    reference: str = ""
    link: str = ""
    sha256: str = ""
    result: Any = None


def resolve_tool_call(*, actor: Actor, call_id: UUID, evidence: Evidence) -> Resolution:
    """Settle the call by what a person found out, or have the system asked once more.

    Of two people at once the first to commit is believed; the other gets a Conflict that says who and what. Whoever
    asked for the call, or could have, does not say how it ended (I5).
    """
    seen = call_for(actor, call_id)
    require(actor, OPERATE, seen.process)
    _check_evidence(seen, evidence)
    with transaction.atomic():
        call = locked_unknown(call_id)
        if call is None:
            raise _not_unknown(call_id)
        if actor.id in makers_of(call):
            raise NotAllowed("tool_call.own_request", "You asked for this, so someone else has to say how it ended.")
        return _settle(call, actor, evidence)


def _settle(call: ToolCall, actor: Actor, evidence: Evidence) -> Resolution:
    finding = Finding(evidence.finding)
    resolution = _write(call, actor, evidence)
    if finding is Finding.HAPPENED:
        conclude(call, CallState.SUCCEEDED, actor=actor, result=evidence.result, resolution=resolution)
    elif finding is Finding.DID_NOT_HAPPEN:
        conclude(call, CallState.FAILED, actor=actor, error=NO_EFFECT, resolution=resolution)
    elif call.tool.lookup:
        _question(call)
    return resolution


def _question(call: ToolCall) -> None:
    """From this moment on any worker may put the question."""
    if call.deadline_at is not None:
        raise Conflict("tool_call.being_asked", "The system is being asked about this right now.")
    call.deadline_at = clock.now()
    call.save(update_fields=["deadline_at"])
    outbox.add(ToolCallQuestioned(tool_call_id=str(call.id)))


def _write(call: ToolCall, actor: Actor, evidence: Evidence) -> Resolution:
    """The finding with its span, audit entry and news."""
    [words] = vault.store(vault.Document(kind="resolution.words", body=evidence.words))
    resolution = Resolution.objects.create(
        tool_call=call,
        finding=evidence.finding,
        reference=evidence.reference,
        words=words,
        link=evidence.link,
        sha256=evidence.sha256,
        made_by=actor.key,
        made_by_name=actor.name[:160],
        made_at=clock.now(),
    )
    add_call_span(
        call,
        SpanKind.RESOLUTION,
        SPAN_STATUS_FOR[Finding(evidence.finding)],
        started_at=resolution.made_at,
        name=f"{resolution.get_finding_display()} · {call.tool.name}",
        note=f"found out by {actor.name}",
        with_money=evidence.finding == Finding.HAPPENED,
        actor_name=actor.name,
        attributes={"resolution_id": str(resolution.id), "finding": evidence.finding},
    )
    data = {
        "resolution_id": str(resolution.id),
        "reference": evidence.reference,
        "words_digest": words.digest,
        "link": evidence.link,
        "sha256": evidence.sha256,
    }
    record_call(actor, "tool_call.resolved", call, outcome=evidence.finding, data=data)
    outbox.add(
        ToolCallResolved(
            tool_call_id=str(call.id),
            run_id=str(call.run_id),
            resolution_id=str(resolution.id),
            finding=evidence.finding,
        )
    )
    return resolution


def _check_evidence(call: ToolCall, evidence: Evidence) -> None:
    """Raises Invalid with a pointer for each thing that is missing or cannot be."""
    errors = [{"pointer": pointer, "sentence": sentence} for pointer, sentence in _flaws(call, evidence)]
    if errors:
        raise Invalid("resolution.invalid", "The finding is not complete.", errors=errors)


def _flaws(call: ToolCall, evidence: Evidence) -> list[tuple[str, str]]:
    flaws = []
    if evidence.finding not in Finding.values:
        flaws.append(("/finding", f"A finding is one of {', '.join(Finding.values)}."))
    if not evidence.words.strip():
        flaws.append(("/words", "Say how you know."))
    if evidence.finding == Finding.HAPPENED and not evidence.reference.strip():
        flaws.append(("/reference", "Name the record that proves it in the business system."))
    if evidence.link and not LINK.fullmatch(evidence.link):
        flaws.append(("/link", "A link begins with https:// or http://."))
    if evidence.sha256 and not SHA256.fullmatch(evidence.sha256):
        flaws.append(("/sha256", "A SHA-256 has 64 digits from 0 to f."))
    return flaws + _flaws_of_result(call, evidence)


def _flaws_of_result(call: ToolCall, evidence: Evidence) -> list[tuple[str, str]]:
    if evidence.result is None:
        return []
    if not _can_be_told(evidence.result):
        return [("/result", "It holds half a character.")]
    if excess := excess_of(evidence.result):
        return [("/result" + pointer_of(excess.path), excess.sentence)]
    if evidence.finding != Finding.HAPPENED:
        return [("/result", "What did not happen has no answer.")]
    found = schema_errors(call.tool, "output_schema", evidence.result)
    return [(f"/result{error['pointer']}", error["sentence"]) for error in found]


def _can_be_told(result: Any) -> bool:
    """A lone surrogate passes through JSON escapes and stands in no answer."""
    try:
        json.dumps(result, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_unknown(call_id: UUID) -> Conflict:
    """Why there is nothing to resolve, by whom it was resolved first, if it was."""
    call = ToolCall.objects.select_related("resolution").get(id=call_id)
    said = call.resolution
    if said is None:
        state = call.get_state_display().lower()
        return Conflict("tool_call.not_unknown", f"The outcome of this call is known: {state}.", state=call.state)
    sentence = f"{said.made_by_name} has resolved this already: {said.get_finding_display().lower()}."
    return Conflict("tool_call.already_resolved", sentence, state=call.state, resolution_id=str(said.id))
