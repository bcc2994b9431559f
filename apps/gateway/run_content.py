"""What a call carries, for whoever opens a step of a run."""

import json
from uuid import UUID

from apps.core.actor import Actor
from apps.core.once import read_once
from apps.gateway.arguments import sentence_for
from apps.gateway.precedents import reveal_url
from apps.gateway.queries import calls_visible_to
from apps.gateway.seen import arguments_for, hidden_from, result_for
from apps.gateway.telling import money_of
from apps.gateway.wording import label_of, names_in_order, shown
from apps.runs.facts import Content
from apps.vault import services as vault


@read_once()
def content_of(actor: Actor, call_id: UUID) -> Content | None:
    """As this actor may see it; of one that was erased nothing but its title."""
    call = calls_visible_to(actor).filter(id=call_id).first()
    if call is None:
        return None
    bodies = vault.read_many([call.request_id, call.result_id])
    body = bodies.get(call.request_id)
    arguments = arguments_for(actor, call, body["arguments"]) if body else {}
    result = bodies.get(call.result_id) if call.result_id else None
    seen = result_for(actor, call, result)
    names = names_in_order(call.tool, arguments)
    return Content(
        sentence=sentence_for(call.tool, arguments, money_of(call)) if body else call.tool.title,
        arguments=[(label_of(name), shown(arguments[name])) for name in names if name in arguments],
        result=json.dumps(seen, indent=2, ensure_ascii=False) if seen is not None else "",
        masked=sorted(hidden_from(actor, call)),
        reveal_url=reveal_url(actor, call),
    )
