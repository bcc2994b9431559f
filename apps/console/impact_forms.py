"""Which decisions a draft is tried on, and for how long it follows what is decided."""

import datetime as dt
from typing import Any

from django import forms

from apps.registry.models import Environment
from apps.replays.impact import window_start
from apps.replays.services import LONGEST_SHADOW_DAYS

ALL = "all"
WINDOWS = (("30", "The last 30 days"), ("7", "The last 7 days"), ("90", "The last 90 days"), (ALL, "All there are"))


class ReplayForm(forms.Form):
    """Days back from now or everything; or from one day on, in UTC, up to and with another."""

    environment = forms.ChoiceField(choices=Environment.choices, initial=Environment.PRODUCTION, required=False)
    window = forms.ChoiceField(choices=WINDOWS, initial="30", required=False)
    first_day = forms.DateField(required=False)
    last_day = forms.DateField(required=False)

    @property
    def wanted(self) -> dict[str, Any]:
        """The arguments of the act."""
        given = self.cleaned_data
        window, first, last = given["window"] or "30", given["first_day"], given["last_day"]
        wanted: dict[str, Any] = {"environment": given["environment"] or Environment.PRODUCTION.value}
        if first or last:
            wanted["since"] = _midnight(first) if first else None
            wanted["until"] = _midnight(last + dt.timedelta(days=1)) if last else None
        else:
            wanted["since"] = window_start(None if window == ALL else int(window))
        return wanted


class ShadowForm(forms.Form):
    environment = forms.ChoiceField(choices=Environment.choices, initial=Environment.PRODUCTION, required=False)
    days = forms.IntegerField(min_value=1, max_value=LONGEST_SHADOW_DAYS, initial=7, required=False)

    @property
    def wanted(self) -> dict[str, Any]:
        given = self.cleaned_data
        environment = given["environment"] or Environment.PRODUCTION.value
        return {"environment": environment, "days": given["days"] or self.fields["days"].initial}


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
