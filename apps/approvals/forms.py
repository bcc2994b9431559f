"""HTML input of the inbox. Forms say what shape it has; whether it may be done is the services' to say."""

import datetime as dt
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.approvals.models import FeedbackReason, Verdict
from apps.core import clock

REASONS = [("", gettext_lazy("Choose a reason")), *FeedbackReason.choices]
MORNING = dt.time(9)
MONDAY = 0


class VoteForm(forms.Form):
    """What the card's buttons send. `dwell` is how many seconds the card was in front of the voter."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    digest = forms.RegexField(regex=r"^[0-9a-f]{64}$")
    reason_code = forms.ChoiceField(choices=REASONS, required=False)
    comment = forms.CharField(required=False, max_length=4000, widget=forms.Textarea)
    dwell = forms.FloatField(required=False, min_value=0)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("verdict") != Verdict.APPROVE and not data.get("reason_code"):
            self.add_error("reason_code", _("Say why, so that the agent can learn from it."))
        if data.get("verdict") == Verdict.REQUEST_CHANGES and not data.get("comment"):
            self.add_error("comment", _("Say what should be different; the agent answers with a new version."))
        return data


class DelegateForm(forms.Form):
    """Who may decide instead, and until the end of which day."""

    receiver = forms.CharField(max_length=150)
    until = forms.DateField()
    reason = forms.CharField(required=False, max_length=300)

    def clean_until(self) -> dt.datetime:
        """The end of that day where the reader is."""
        day: dt.date = self.cleaned_data["until"]
        return timezone.make_aware(dt.datetime.combine(day, dt.time.max))


def snooze_moment(choice: str) -> dt.datetime:
    """An hour from now, or 9:00 of tomorrow or of the next Monday where the reader is."""
    now = timezone.localtime(clock.now())
    if choice == "hour":
        return now + dt.timedelta(hours=1)
    days = 1 if choice == "tomorrow" else (MONDAY - now.weekday()) % 7 or 7
    return timezone.make_aware(dt.datetime.combine(now.date() + dt.timedelta(days=days), MORNING))


class SnoozeForm(forms.Form):
    """Until when to put it off."""

    CHOICES = (
        ("hour", gettext_lazy("1 hour")),
        ("tomorrow", gettext_lazy("Tomorrow, 9:00")),
        ("monday", gettext_lazy("Monday, 9:00")),
    )

    until = forms.ChoiceField(choices=[*CHOICES, ("custom", gettext_lazy("Another time"))])
    at = forms.DateTimeField(required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("until") == "custom" and not data.get("at") and "at" not in self.errors:
            self.add_error("at", _("Say until when."))
        return data

    def moment(self) -> dt.datetime:
        chosen: str = self.cleaned_data["until"]
        at: dt.datetime | None = self.cleaned_data["at"]
        return at if chosen == "custom" and at else snooze_moment(chosen)


class EscalateForm(forms.Form):
    """Why others should look at it."""

    reason = forms.CharField(max_length=300)


class ExtendForm(forms.Form):
    """Until when people may decide, and why they need longer."""

    until = forms.DateTimeField()
    reason = forms.CharField(max_length=300)


class BulkVoteForm(forms.Form):
    """One verdict on everything that was selected."""

    verdict = forms.ChoiceField(choices=[choice for choice in Verdict.choices if choice[0] != Verdict.REQUEST_CHANGES])
    reason_code = forms.ChoiceField(choices=REASONS, required=False)
    comment = forms.CharField(required=False, max_length=4000)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("verdict") == Verdict.REJECT and not data.get("reason_code"):
            self.add_error("reason_code", _("Say why, so that the agents can learn from it."))
        return data


class SavedViewForm(forms.Form):
    """A name for the list as it stands."""

    name = forms.CharField(max_length=60)
    team = forms.SlugField(required=False)
    is_default = forms.BooleanField(required=False)
