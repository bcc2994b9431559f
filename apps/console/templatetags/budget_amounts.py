"""How amounts of a budget look: money with its currency, everything else as a count with its word."""

from django import template

from apps.budgets.models import Budget

register = template.Library()


@register.filter
def amount(value: int, budget: Budget) -> str:
    """`{{ counter.settled|amount:budget }}` is "€180.00" or "12 calls"."""
    return budget.shown(value)


@register.filter
def plus(value: int, other: int) -> int:
    return value + other
