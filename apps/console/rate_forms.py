"""HTML input of rates: people write so many calls a minute, the service takes calls a second."""

from typing import Any
from uuid import UUID

from django import forms

from apps.budgets.models import Rate
from apps.budgets.services import WantedRate
from apps.core.errors import MeshError
from apps.core.ids import parse_uuid
from apps.registry.models import Environment

FIELD_FOR = {"/scope": "scope", "/capacity": "capacity", "/refill_per_second": "calls"}
SECOND, MINUTE, HOUR = 1, 60, 3600
PERIODS = [(SECOND, "second"), (MINUTE, "minute"), (HOUR, "hour")]


class RateForm(forms.Form):
    """How often calls may come to what. `instead_of` is the rate that the page showed, empty for none."""

    scope = forms.ChoiceField(label="For", error_messages={"required": "Choose what calls may not crowd."})
    environment = forms.ChoiceField(label="Environment", choices=Environment.choices, initial=Environment.PRODUCTION)
    calls = forms.FloatField(
        label="Calls", help_text="So many flow in.", error_messages={"invalid": "This is not a number."}
    )
    period = forms.TypedChoiceField(label="In each", choices=PERIODS, coerce=int, initial=MINUTE)
    capacity = forms.IntegerField(
        label="At once",
        help_text="So many may come together after a pause.",
        error_messages={"invalid": "This is not a whole number."},
    )
    reason = forms.CharField(label="Why", max_length=500, error_messages={"required": "Say why, for whoever asks."})
    instead_of = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, scopes: list[Any], initial: Any = None) -> None:
        super().__init__(data, initial=initial, auto_id="rate_%s")
        field = self.fields["scope"]
        if isinstance(field, forms.ChoiceField):
            field.choices = scopes
        if self.is_change:
            # another scope would be another rate
            for name in ("scope", "environment"):
                self.fields[name].widget = forms.HiddenInput()
        for name in ("calls", "capacity"):
            self.fields[name].widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    @property
    def is_change(self) -> bool:
        """Whether it is to take the place of one that is there."""
        given = self.data if self.is_bound else self.initial
        return bool(given.get("instead_of"))

    @property
    def wanted(self) -> WantedRate:
        """The service's argument."""
        data = self.cleaned_data
        scope_type, _, reference = data["scope"].partition(":")
        return WantedRate(
            scope_type=scope_type,
            scope_reference=reference,
            environment=data["environment"],
            capacity=data["capacity"],
            refill_per_second=data["calls"] / data["period"],
            reason=data["reason"],
        )

    @property
    def seen(self) -> UUID | None:
        """The rate whoever asks has looked at."""
        return parse_uuid(self.cleaned_data["instead_of"])

    def add_refusal(self, error: MeshError) -> None:
        """The service's words beside the fields they are about."""
        for one in error.details.get("errors", ()) or [{"pointer": "", "sentence": error.sentence}]:
            self.add_error(FIELD_FOR.get(one["pointer"]), one["sentence"])


class RateReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why this needs no rate any more."})


def initial_of(rate: Rate) -> dict[str, Any]:
    """The form as it would say this rate."""
    period = next((seconds for seconds, _ in PERIODS if rate.refill_per_second * seconds >= 1), HOUR)
    return {
        "scope": f"{rate.scope_type}:{rate.scope_id}",
        "environment": rate.environment,
        "calls": f"{rate.refill_per_second * period:g}",
        "period": period,
        "capacity": rate.capacity,
        "instead_of": rate.id,
    }
