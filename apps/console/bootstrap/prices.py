"""What the file's `model_prices` says. A price that a person has corrected since stays so."""

from collections.abc import Iterator
from typing import Any

from apps.console.bootstrap.document import read_moment
from apps.core.actor import Actor
from apps.telemetry.models import ModelPrice
from apps.telemetry.prices import set_model_price

Entry = dict[str, Any]


def load_model_prices(document: Entry, actor: Actor) -> Iterator[str]:
    """Bring the prices to what the file says. Tells what was left alone."""
    for declared in document.get("model_prices", []):
        provider, since = declared.get("provider", ""), read_moment(declared["effective_from"])
        if since is None:
            raise RuntimeError("a time that was not checked")
        price = ModelPrice.objects.filter(provider=provider, model=declared["model"], effective_from=since).first()
        if price is not None and price.set_by != actor.key:
            since_when = declared["effective_from"]
            yield f"The price of “{declared['model']}” from {since_when} was changed since. It stays as it is."
            continue
        set_model_price(
            provider=provider,
            model=declared["model"],
            currency=declared["currency"],
            input_price=declared["input"],
            output_price=declared["output"],
            cached_input_price=declared.get("cached_input"),
            effective_from=since,
            actor=actor,
        )
