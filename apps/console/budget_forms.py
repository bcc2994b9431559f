"""HTML input of budgets: people write major units, services take minor ones."""

from typing import Any

from django import forms

from apps.budgets.models import IN_MONEY, Measure, Window
from apps.budgets.services import Wanted
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.registry.models import Environment

FIELD_FOR = {"/scope": "scope", "/cap": "cap", "/estimate": "estimate", "/currency": "currency", "/window": "window"}


class BudgetForm(forms.Form):
    """What is to be capped, and by how much."""

    scope = forms.ChoiceField(label="For", error_messages={"required": "Choose what to cap."})
    environment = forms.ChoiceField(label="Environment", choices=Environment.choices, initial=Environment.PRODUCTION)
    measure = forms.ChoiceField(label="What is counted", choices=Measure.choices)
    window = forms.ChoiceField(label="Within", choices=Window.choices, initial=Window.DAY)
    cap = forms.CharField(label="At most", max_length=30, help_text="An amount of money, or a number.")
    currency = forms.ChoiceField(label="Currency", required=False, help_text="For money and model cost.")
    estimate = forms.CharField(
        label="What is not known counts as",
        max_length=30,
        required=False,
        help_text="Needed for model cost and tokens: what a report without a number counts as.",
    )
    reason = forms.CharField(label="Why", max_length=500, error_messages={"required": "Say why, for whoever asks."})

    def __init__(self, data: Any = None, *, scopes: list[Any], currencies: list[str], initial: Any = None) -> None:
        super().__init__(data, initial=initial, auto_id="budget_%s")
        self._choose("scope", scopes)
        self._choose("currency", [(currency, currency) for currency in currencies] or [("", "None")])
        for name in ("cap", "estimate"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}

    def _choose(self, name: str, choices: list[Any]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("cap", "estimate"):
            if data.get(name):
                try:
                    data[name] = self._number(data[name], data)
                except Invalid as error:
                    self.add_error(name, error.sentence)
        return data

    def _number(self, text: str, data: dict[str, Any]) -> int:
        """Minor units of money, or a whole number of anything else."""
        if data.get("measure") in IN_MONEY:
            return Money.parse(text.replace(",", "").strip(), data.get("currency")).minor
        plain = text.replace(",", "").strip()
        if not plain.isascii() or not plain.isdigit() or len(plain) > 15:
            raise Invalid("budget.bad_number", "This is not a whole number.")
        return int(plain)

    @property
    def wanted(self) -> Wanted:
        """The service's argument."""
        data = self.cleaned_data
        scope_type, _, reference = data["scope"].partition(":")
        return Wanted(
            scope_type=scope_type,
            scope_reference=reference,
            environment=data["environment"],
            measure=data["measure"],
            window=data["window"],
            cap=data["cap"],
            currency=data["currency"] if data["measure"] in IN_MONEY else "",
            estimate=data["estimate"] or None,
            reason=data["reason"],
        )

    def add_refusal(self, error: Invalid) -> None:
        """The service's words beside the fields they are about."""
        for one in error.details.get("errors", ()) or [{"pointer": "", "sentence": error.sentence}]:
            self.add_error(FIELD_FOR.get(one["pointer"]), one["sentence"])


class BudgetReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why this needs no cap any more."})
