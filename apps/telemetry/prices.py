"""What reported tokens cost: by the price that was in force when they were used, worked out when it is read. So a price
that is set or corrected holds for all that was ever told, and no row has to be written again.

Costs are millionths of the currency's unit, kept per currency. What has no price costs "not known", which is not
nothing.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from babel.numbers import format_currency, is_currency
from django.db import transaction
from django.utils.translation import to_locale

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.generations import CONFIGURATION
from apps.core.memory import Remembered
from apps.registry.permissions import GOVERN
from apps.registry.queries import require_mesh_wide
from apps.telemetry.models import ModelPrice

MILLION = 1_000_000
# A price of a million tokens that is more than this is a slip of the finger.
MOST_MICRO = 100_000 * MILLION
_remembered: Remembered[str, "PriceList"] = Remembered(CONFIGURATION, size=1)


@dataclass(frozen=True, slots=True)
class Cost:
    """Millionths of the currency's unit."""

    micro: int
    currency: str

    def told(self, locale: str = "en") -> str:
        """With as many decimals as it takes: "$0.0421"."""
        amount = Decimal(self.micro) / MILLION
        return format_currency(amount, self.currency, locale=to_locale(locale), decimal_quantization=False)


@dataclass(frozen=True, slots=True)
class Used:
    """What one model call used. Cached tokens are among the input's, reasoning tokens among the output's."""

    provider: str
    model: str
    at: dt.datetime
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None


@dataclass(frozen=True, slots=True)
class PriceList:
    """Every price by model, the latest first."""

    prices: dict[str, list[ModelPrice]]

    def changes_ns(self) -> list[int]:
        """When some price begins to hold, in nanoseconds since 1970, earliest first; never empty."""
        begins = {price.effective_from for prices in self.prices.values() for price in prices}
        return sorted({0, *(int(moment.timestamp()) * 10**9 + moment.microsecond * 1000 for moment in begins)})

    def price_of(self, used: Used) -> ModelPrice | None:
        """The price in force then: of this provider before that of any."""
        in_force = [price for price in self._of_model(used.model) if price.effective_from <= used.at]
        own = (price for price in in_force if price.provider == used.provider)
        anyones = (price for price in in_force if not price.provider)
        return next(own, None) or next(anyones, None)

    def _of_model(self, model: str) -> list[ModelPrice]:
        """Those of its name; else those of the longest beginning of it that has one: models answer by dated names."""
        if model in self.prices:
            return self.prices[model]
        begins = [name for name in self.prices if name.endswith("*") and model.startswith(name[:-1])]
        return self.prices[max(begins, key=len)] if begins else []

    def cost_of(self, used: Used) -> Cost | None:
        """None when the model has no price, or nobody said how much it used."""
        price = self.price_of(used)
        if price is None or used.input_tokens is None or used.output_tokens is None:
            return None
        cached = min(used.cached_tokens or 0, used.input_tokens)
        cached_micro = price.input_micro if price.cached_input_micro is None else price.cached_input_micro
        whole = (
            (used.input_tokens - cached) * price.input_micro
            + cached * cached_micro
            + used.output_tokens * price.output_micro
        )
        return Cost(int((Decimal(whole) / MILLION).to_integral_value(ROUND_HALF_UP)), price.currency)


def price_list() -> PriceList:
    """As it is now; remembered until somebody changes it."""
    return _remembered.get("prices", _read) or _read()


def _read() -> PriceList:
    prices: dict[str, list[ModelPrice]] = {}
    for price in ModelPrice.objects.order_by("-effective_from"):
        prices.setdefault(price.model, []).append(price)
    return PriceList(prices)


def total(costs: Iterable[Cost | None]) -> tuple[list[Cost], bool]:
    """(the sum of each currency, whether some of it is not known)."""
    sums: dict[str, int] = {}
    is_partly_unknown = False
    for cost in costs:
        if cost is None:
            is_partly_unknown = True
        else:
            sums[cost.currency] = sums.get(cost.currency, 0) + cost.micro
    return [Cost(micro, currency) for currency, micro in sorted(sums.items())], is_partly_unknown


def set_model_price(
    *,
    provider: str,
    model: str,
    currency: str,
    input_price: str,
    output_price: str,
    cached_input_price: str | None,
    effective_from: dt.datetime,
    actor: Actor,
) -> ModelPrice:
    """What a million tokens cost from then on, in the currency's unit ("2.50"). Set again for the same time it is
    corrected. Raises NotAllowed, and Invalid for what is no price.
    """
    require_mesh_wide(actor, GOVERN)
    if not is_currency(currency):
        raise Invalid("price.currency", f"“{currency}” is no currency.", errors=_at("/currency"))
    values = {
        "currency": currency,
        "input_micro": _micro(input_price, "/input"),
        "output_micro": _micro(output_price, "/output"),
        "cached_input_micro": None if cached_input_price is None else _micro(cached_input_price, "/cached_input"),
    }
    with transaction.atomic():
        price, is_new = ModelPrice.objects.select_for_update().get_or_create(
            provider=provider,
            model=model,
            effective_from=effective_from,
            defaults={**values, "set_by": actor.key, "set_at": clock.now()},
        )
        before = None if is_new else {name: getattr(price, name) for name in values}
        if before == values:
            return price
        if not is_new:
            for name, value in {**values, "set_by": actor.key, "set_at": clock.now()}.items():
                setattr(price, name, value)
            price.save(update_fields=[*values, "set_by", "set_at"])
        audit.record(
            actor,
            "model_price.set",
            subject_type="model_price",
            subject_id=price.id,
            subject_name=model,
            data={"provider": provider, "from": rfc3339(effective_from), "before": before, "after": values},
        )
    return price


def amount_of(micro: int) -> str:
    """Millionths as an amount of the unit: at least two decimals, and no more than it takes."""
    whole, rest = divmod(micro, MILLION)
    return f"{whole}.{f'{rest:06}'.rstrip('0'):0<2}"


def _micro(text: str, pointer: str) -> int:
    """An amount of the currency's unit as millionths of it, exactly."""
    try:
        value = Decimal(text) * MILLION
        exact = value.is_finite() and value == value.to_integral_value() and 0 <= value <= MOST_MICRO
    except ArithmeticError:
        exact = False
    if not exact:
        sentence = "A price is an amount with at most six decimals, such as “2.50”, and not below nothing."
        raise Invalid("price.amount", sentence, errors=_at(pointer))
    return int(value)


def _at(pointer: str) -> list[dict[str, str]]:
    return [{"pointer": pointer, "sentence": "This cannot be."}]
