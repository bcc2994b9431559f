"""HTML input of the settings: an absence, a line of the table of limits, the rules of a process."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team, User
from apps.approvals.models import ConsentRules
from apps.core import clock
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.registry.models import Process

SECONDS_OF_AN_HOUR = 3600
LONGEST_SLA_HOURS = 366 * 24
MOST_UNDO_SECONDS = 60
MOST_VOTES_PER_HOUR = 100_000
FIRST_DELEGATION = dt.timedelta(days=7)
# Earlier than this is a slip of the keyboard, not a wish.
LATE_START = dt.timedelta(days=1)
DAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))

NUMBER_ERRORS = {
    "invalid": _("Write a number."),
    "min_value": _("At least %(limit_value)s."),
    "max_value": _("At most %(limit_value)s."),
}

# Where a refusal of the service is told; any other stands above the form.
FIELD_OF = {
    "delegation.bad_time": "ends_at",
    "delegation.too_long": "ends_at",
    "delegation.to_oneself": "receiver",
    "person.unknown": "receiver",
    "rules.no_working_days": "work_days",
    "rules.no_working_hours": "work_ends",
    "rules.unknown_holidays": "holidays",
    "rules.bad_sla": "sla_hours",
    "rules.bad_undo": "undo_seconds",
    "rules.bad_percent": "second_look_percent",
}


def tell(form: forms.Form, refusal: Invalid) -> None:
    """Say what the service refused beside the field it is about."""
    field = FIELD_OF.get(refusal.code)
    form.add_error(field if field in form.fields else None, refusal.sentence)


def major(minor: int, currency: str) -> str:
    """500000 EUR as a field shows it: "5000.00"."""
    return f"{Decimal(minor).scaleb(-get_currency_precision(currency)):f}"


def minor_of(text: str, currency: str) -> int:
    """What a person wrote, in minor units. Raises ValidationError with what to write instead."""
    try:
        money = Money.parse(text.replace(" ", ""), currency)
    except Invalid:
        example = major(500_000, currency)
        raise forms.ValidationError(
            _("Write it without separators, as %(example)s."), params={"example": example}
        ) from None
    if money.minor < 0:
        raise forms.ValidationError(_("This is less than nothing."))
    return money.minor


class AmountField(forms.CharField):
    """An amount of one currency: people write major units, its value is in minor units, None where nothing stands."""

    def __init__(self, currency: str, **more: Any) -> None:
        super().__init__(label=currency, required=False, max_length=30, **more)
        self.currency = currency
        self.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return minor_of(text, self.currency) if text else None

    def prepare_value(self, value: Any) -> Any:
        return major(value, self.currency) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except forms.ValidationError:
            return True


def _moment(label: Any) -> forms.DateTimeField:
    """A minute on the reader's own clock."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=label, widget=widget)


class DelegationForm(forms.Form):
    """Who votes for me, from when until when, where and up to how much."""

    receiver = forms.ChoiceField(label=_("Who votes for me"), error_messages={"required": _("Choose who.")})
    process = forms.ChoiceField(label=_("Where"), required=False)
    starts_at = _moment(_("From"))
    ends_at = _moment(_("Until"))
    reason = forms.CharField(label=_("Words"), required=False, max_length=300)

    def __init__(self, data: Any = None, *, people: Sequence[User], processes: Sequence[Process]) -> None:
        now = clock.now().replace(second=0, microsecond=0)
        super().__init__(data, initial={"starts_at": now, "ends_at": now + FIRST_DELEGATION})
        _choices(self, "receiver", [("", _("Choose a person")), *((user.username, str(user)) for user in people)])
        everywhere = ("", _("Every process in which I vote"))
        _choices(self, "process", [everywhere, *((process.slug, process.name) for process in processes)])
        for currency in _currencies(processes):
            self.fields[f"cap_{currency}"] = AmountField(currency)

    @property
    def cap_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("cap_")]

    def clean_starts_at(self) -> dt.datetime:
        starts_at: dt.datetime = self.cleaned_data["starts_at"]
        if starts_at < clock.now() - LATE_START:
            raise forms.ValidationError(_("That day is gone. Start today or later."))
        return starts_at

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of the service."""
        data = self.cleaned_data
        caps = {name.removeprefix("cap_"): data[name] for name in data if name.startswith("cap_")}
        return {
            "receiver": data["receiver"],
            "process": data["process"] or None,
            "starts_at": data["starts_at"],
            "ends_at": data["ends_at"],
            "caps": {currency: minor for currency, minor in caps.items() if minor is not None},
            "reason": data["reason"],
        }


class LimitForm(forms.Form):
    """One line: this team, or this person, may approve up to so much."""

    who = forms.ChoiceField(label=_("Team or person"), error_messages={"required": _("Choose a team or a person.")})
    currency = forms.ChoiceField(label=_("Currency"))
    amount = forms.CharField(label=_("May approve up to"), max_length=30)
    reason = forms.CharField(
        label=_("Why"), max_length=300, error_messages={"required": _("Say why, for whoever reviews this.")}
    )

    def __init__(
        self, data: Any = None, *, teams: Sequence[Team], people: Sequence[User], currencies: Sequence[str]
    ) -> None:
        super().__init__(data, auto_id="limit_%s")
        of_teams = [(f"team:{team.slug}", team.name) for team in teams]
        of_people = [(f"person:{user.username}", str(user)) for user in people]
        groups = [(_("Teams"), of_teams), (_("People"), of_people)]
        _choices(self, "who", [("", _("Choose")), *(group for group in groups if group[1])])
        _choices(self, "currency", [(currency, currency) for currency in currencies])
        self.fields["amount"].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "amount" in data and "currency" in data:
            try:
                data["limit_minor"] = minor_of(data["amount"], data["currency"])
            except forms.ValidationError as error:
                self.add_error("amount", error)
        return data

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of the service."""
        data = self.cleaned_data
        kind, _colon, name = data["who"].partition(":")
        return {kind: name, **{key: data[key] for key in ("currency", "limit_minor", "reason")}}


class RulesForm(forms.Form):
    """How a process wants to be asked. Only what was changed is passed on: nothing is rounded by being shown."""

    sla_hours = forms.DecimalField(
        label=_("Time to decide, in working hours"),
        required=False,
        min_value=Decimal("0.02"),
        max_value=LONGEST_SLA_HOURS,
        decimal_places=2,
        help_text=_("Empty: until the approval expires."),
        error_messages=NUMBER_ERRORS,
    )
    work_days = forms.TypedMultipleChoiceField(
        label=_("Working days"),
        coerce=int,
        choices=list(enumerate(DAYS)),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Name at least one working day.")},
    )
    work_starts = forms.TimeField(
        label=_("Work starts"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    work_ends = forms.TimeField(label=_("Work ends"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    holidays = forms.CharField(
        label=_("Public holidays of"),
        required=False,
        max_length=12,
        help_text=_("A country or a part of it: DE, DE-BY, US-CA. Empty: none."),
    )
    counts_twice = forms.BooleanField(label=_("One person may count twice"), required=False)
    undo_seconds = forms.IntegerField(
        label=_("Seconds to undo an approval"),
        min_value=0,
        max_value=MOST_UNDO_SECONDS,
        help_text=_("For what is low risk and reversible. 0: none."),
        error_messages=NUMBER_ERRORS,
    )
    votes_per_hour = forms.IntegerField(
        label=_("Approvals one person may give in an hour"),
        required=False,
        min_value=1,
        max_value=MOST_VOTES_PER_HOUR,
        help_text=_("Empty: no limit."),
        error_messages=NUMBER_ERRORS,
    )
    second_look_percent = forms.DecimalField(
        label=_("Second looks, in percent of what was approved"),
        min_value=0,
        max_value=100,
        decimal_places=2,
        error_messages=NUMBER_ERRORS,
    )
    second_look_team = forms.ChoiceField(label=_("Who takes the second look"), required=False)

    def __init__(
        self, data: Any = None, *, rules: ConsentRules, teams: Sequence[Team], currencies: Sequence[str]
    ) -> None:
        self.teams = {team.slug: team for team in teams}
        super().__init__(data, initial=_initial_of(rules), auto_id="rules_%s")
        of_stage = ("", _("The team of the first stage"))
        _choices(self, "second_look_team", [of_stage, *((team.slug, team.name) for team in teams)])
        for currency in sorted({*currencies, *rules.step_up}):
            self.fields[f"step_up_{currency}"] = AmountField(currency)
            self.initial[f"step_up_{currency}"] = rules.step_up.get(currency)

    @property
    def step_up_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("step_up_")]

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed, as the service takes it."""
        data, changed = self.cleaned_data, set(self.changed_data)
        found = {name: data[name] for name in changed if name in AS_SHOWN}
        if "sla_hours" in changed:
            hours = data["sla_hours"]
            found["sla_seconds"] = None if hours is None else round(hours * SECONDS_OF_AN_HOUR)
        if "second_look_team" in changed:
            found["second_look_team"] = self.teams.get(data["second_look_team"])
        if any(name.startswith("step_up_") for name in changed):
            amounts = {name.removeprefix("step_up_"): data[name] for name in data if name.startswith("step_up_")}
            found["step_up"] = {currency: minor for currency, minor in amounts.items() if minor is not None}
        return found


# Rules whose field has their name and their value.
AS_SHOWN = (
    *("work_days", "work_starts", "work_ends", "holidays", "counts_twice", "undo_seconds", "votes_per_hour"),
    "second_look_percent",
)


def _initial_of(rules: ConsentRules) -> dict[str, Any]:
    team = rules.second_look_team
    return {
        **{name: getattr(rules, name) for name in AS_SHOWN},
        "sla_hours": None if rules.sla_seconds is None else _short(Decimal(rules.sla_seconds) / SECONDS_OF_AN_HOUR),
        "second_look_percent": _short(Decimal(rules.second_look_percent)),
        "second_look_team": team.slug if team else "",
    }


def _short(number: Decimal) -> Decimal:
    """Two decimals, and none where they say nothing: 8, 7.5, 0.03."""
    return Decimal(f"{number:.2f}".rstrip("0").rstrip("."))


def _currencies(processes: Sequence[Process]) -> list[str]:
    return sorted({currency for process in processes for currency in process.currencies})


def _choices(form: forms.Form, name: str, choices: list[Any]) -> None:
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{name} offers no choice")
    field.choices = choices
