"""Model prices, set as people set them."""

import datetime as dt
from typing import Any

from apps.core.actor import system_actor
from apps.telemetry.models import ModelPrice
from apps.telemetry.prices import set_model_price


def make_price(model: str = "gpt-5", *, currency: str = "USD", since: str = "2020-01-01", **more: Any) -> ModelPrice:
    """Of a million tokens: $2.50 `given`, $10 `made`, unless said otherwise."""
    return set_model_price(
        provider=more.get("provider", ""),
        model=model,
        currency=currency,
        input_price=more.get("given", "2.50"),
        output_price=more.get("made", "10"),
        cached_input_price=more.get("cached"),
        effective_from=dt.datetime.fromisoformat(since).replace(tzinfo=dt.UTC),
        actor=system_actor("tests"),
    )
