"""HTML input of policies: each parameter as the field its type needs, and back into what is stored."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.errors import Invalid
from apps.core.money import Money
from apps.gateway.decided import Asked
from apps.gateway.models import Outcome
from apps.policies.models import InFlight, PolicyRelease
from apps.policies.obligations import parse_duration
from apps.registry.models import Environment

UNITS = (("D", "days", 86400), ("H", "hours", 3600), ("M", "minutes", 60), ("S", "seconds", 1))
MOST = 2**53 - 1


def _moment_input() -> forms.DateTimeInput:
    """A minute on the reader's own clock."""
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class ParameterForm(forms.Form):
    """The thresholds of a set. A money parameter is an amount in its currency, a duration a number of a unit. Names are
    sent as `parameter-NAME`, so that none meets a field of the page.
    """

    def __init__(self, data: Any = None, *, parameters: Mapping[str, Any], teams: list[tuple[str, str]]) -> None:
        super().__init__(data, auto_id="%s", prefix="parameter")
        self.stored = parameters
        for name, stored in sorted(parameters.items()):
            if isinstance(stored, Mapping):
                self._add(name, stored, teams)

    def _add(self, name: str, stored: Mapping[str, Any], teams: list[tuple[str, str]]) -> None:
        label, value, kind = str(stored.get("label") or name.replace("_", " ")), stored.get("value"), stored.get("type")
        plain: dict[str, Any] = {"label": label, "initial": value}
        if kind == "money":
            field: forms.Field = forms.CharField(
                label=f"{label} ({stored.get('currency')})", initial=value, max_length=30
            )
            field.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        elif kind == "duration":
            count, unit = _count_of(value)
            field = forms.IntegerField(label=label, initial=count, min_value=1, max_value=10**9)
            units = [(letter, words) for letter, words, _ in UNITS]
            self.fields[f"{name}.unit"] = forms.ChoiceField(label=f"{label}: unit", choices=units, initial=unit)
        elif kind == "long":
            field = forms.IntegerField(**plain, min_value=-MOST, max_value=MOST)
        elif kind == "bool":
            field = forms.BooleanField(**plain, required=False)
        elif kind == "team":
            field = forms.ChoiceField(**plain, choices=teams)
        elif kind == "strings":
            lines = "\n".join(value) if isinstance(value, list) else ""
            rows = forms.Textarea(attrs={"rows": 3})
            field = forms.CharField(
                label=label, initial=lines, required=False, widget=rows, max_length=20_000, help_text="One in a line."
            )
        elif kind == "string":
            field = forms.CharField(**plain, required=False, max_length=2_000)
        else:
            return
        self.fields[name] = field
        if f"{name}.unit" in self.fields:
            self.fields[f"{name}.unit"] = self.fields.pop(f"{name}.unit")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name, stored in self.stored.items():
            if isinstance(stored, Mapping) and stored.get("type") == "money" and data.get(name):
                try:
                    Money.parse(data[name].replace(",", "").strip(), stored.get("currency"))
                except Invalid as error:
                    self.add_error(name, error.sentence)
        return data

    @property
    def parameters(self) -> dict[str, Any]:
        """What is to be stored: the values from the form, the rest as it was."""
        return {
            name: self._stored(name, stored) if name in self.cleaned_data else stored
            for name, stored in self.stored.items()
        }

    def _stored(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        value: Any = self.cleaned_data[name]
        kind = stored["type"]
        if kind == "money":
            value = value.replace(",", "").strip()
        elif kind == "duration":
            value = _duration_text(value, self.cleaned_data[f"{name}.unit"])
            if value == _canonical(stored.get("value")):
                value = stored["value"]
        elif kind == "strings":
            value = [line.strip() for line in value.splitlines() if line.strip()]
        return {**stored, "value": value}


class SendForm(forms.Form):
    """Where a draft is to decide, what becomes of calls that wait, and which team is asked."""

    environment = forms.ChoiceField(label="Environment", choices=Environment.choices, initial=Environment.PRODUCTION)
    in_flight = forms.ChoiceField(
        label="Calls that wait for people", choices=InFlight.choices, initial=InFlight.RECHECK
    )
    message = forms.CharField(label="Why", max_length=300, required=False)
    release_at = forms.DateTimeField(label="Decides from", required=False)
    team = forms.CharField(label="Who is asked", max_length=50, required=False)


class ExceptionForm(forms.Form):
    """Which rules do not hold up whom, with what, until when and why. Times are on the reader's own clock."""

    rules = forms.MultipleChoiceField(label="Rules that stand in the way", widget=forms.CheckboxSelectMultiple)
    agent = forms.ChoiceField(label="Agent", required=False)
    tool = forms.ChoiceField(label="Tool")
    cap = forms.CharField(label="At most, per call", max_length=30, required=False)
    currency = forms.CharField(label="Currency", max_length=3, required=False)
    expires_at = forms.DateTimeField(label="Until, at most seven days", widget=_moment_input())
    reason = forms.CharField(label="Why", max_length=300)

    def __init__(
        self,
        data: Any = None,
        *,
        rules: list[tuple[str, str]],
        agents: list[tuple[str, str]],
        tools: list[tuple[str, str]],
        needs_agent: bool,
    ) -> None:
        super().__init__(data, auto_id="exception-%s")
        everyone = [] if needs_agent else [("", "Every agent of the process")]
        self._choose("rules", rules)
        self._choose("agent", [*everyone, *agents])
        self._choose("tool", tools)

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


class DecisionsForm(forms.Form):
    """Which decisions of a release are looked for. Days are those of the reader, the last one included."""

    rule = forms.ChoiceField(label="Rule", required=False)
    outcome = forms.ChoiceField(label="Outcome", choices=[("", "any"), *Outcome.choices], required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any = None, *, rules: list[str]) -> None:
        super().__init__(data, auto_id="decisions-%s")
        chosen = self.data.get("rule", "")
        # what a rule of the mesh itself decided is asked for in the same way
        names = dict.fromkeys([*rules, *([chosen] if chosen else [])])
        self.fields["rule"] = forms.ChoiceField(
            label="Rule", required=False, choices=[("", "any"), *((name, name) for name in names)]
        )

    def asked(self, release: PolicyRelease) -> Asked:
        """What is valid of it."""
        found = self.cleaned_data
        until = found.get("until")
        return Asked(
            release,
            found.get("rule", ""),
            found.get("outcome", ""),
            _midnight(found.get("since")),
            _midnight(until + dt.timedelta(days=1)) if until else None,
        )


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return timezone.make_aware(dt.datetime.combine(day, dt.time())) if day else None


def _count_of(value: Any) -> tuple[int, str]:
    """(26, "H") of PT26H: the largest unit that has no rest."""
    try:
        seconds = parse_duration(value) if isinstance(value, str) else 0
    except ValueError:
        seconds = 0
    for letter, _, size in UNITS:
        if seconds and seconds % size == 0:
            return seconds // size, letter
    return seconds, "S"


def _duration_text(count: int, unit: str) -> str:
    return f"P{count}D" if unit == "D" else f"PT{count}{unit}"


def _canonical(value: Any) -> str:
    return _duration_text(*_count_of(value))
