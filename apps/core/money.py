"""Money: whole minor units and an ISO 4217 code. Never summed across currencies, never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal

from babel import UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, list_currencies

from apps.core.errors import Invalid

# babel would make the set anew for each amount that is read
CURRENCIES = frozenset(list_currencies())

# PostgreSQL's bigint, and what RFC 8785 can carry exactly
MAX_MINOR = 2**53 - 1
# no exponents, no underscores, nothing that Decimal would understand and a ledger would not
AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (cents for EUR, yen for JPY) of `currency`."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, amount: object, currency: object) -> "Money":
        """From a decimal string or whole number of major units. Raises Invalid on anything that is not exactly
        money.
        """
        if not isinstance(currency, str) or currency not in CURRENCIES:
            raise Invalid("money.unknown_currency", f"{currency!r} is not a currency code.")
        if isinstance(amount, bool) or not isinstance(amount, str | int) or not AMOUNT.fullmatch(str(amount)):
            raise Invalid("money.not_an_amount", "This is not an amount of money.")
        value = Decimal(amount)
        minor = value.scaleb(get_currency_precision(currency))
        if minor != minor.to_integral_value() or abs(minor) > MAX_MINOR:
            raise Invalid(
                "money.not_an_amount", f"The amount has more decimals than {currency} knows, or is too large."
            )
        return cls(int(minor), currency)

    def __str__(self) -> str:
        return format_money(self.minor, self.currency)


def format_money(minor: int, currency: str, locale: str = "en") -> str:
    """'€1,280.00': the symbol and the decimals of the currency in the reader's locale."""
    amount = Decimal(minor).scaleb(-get_currency_precision(currency))
    try:
        return format_currency(amount, currency, locale=locale.replace("-", "_"))
    except UnknownLocaleError:
        return format_currency(amount, currency, locale="en")
