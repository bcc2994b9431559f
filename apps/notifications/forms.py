"""HTML input of the notification settings."""

import datetime as dt
from typing import Any
from uuid import UUID

from django import forms

from apps.core.errors import Invalid
from apps.notifications import addresses
from apps.notifications.models import Allows, Channel, ChannelKind, Mode, NewsKind
from apps.notifications.queries import kinds_for, modes_for
from apps.notifications.services.preferences import HOURS_A_DAY, IN_APP, Hours, may_summarise

# What a person may add themselves, in the order of the form.
ADDED = (ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.TEAMS, ChannelKind.WEBHOOK)
# For whom a new channel is, where that is not a team.
MYSELF = ("", "Me alone")


class ReadForm(forms.Form):
    """Up to which notice the list was read."""

    through = forms.UUIDField()


class SwitchForm(forms.Form):
    is_on = forms.BooleanField(required=False)


class SecretInput(forms.PasswordInput):
    """Readable while it is typed, and empty when the form comes back: what it holds is never sent to a browser."""

    input_type = "text"


class ChannelForm(forms.Form):
    """A new channel."""

    kind = forms.ChoiceField(label="Through", choices=[(kind.value, kind.label) for kind in ADDED])
    address = forms.CharField(
        label="Its address",
        max_length=addresses.MOST_CHARACTERS,
        required=False,
        help_text="As Slack, Teams or the other program gives it out. It is kept encrypted and not shown again.",
        widget=SecretInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(label="What you call it", max_length=60, required=False)
    team = forms.ChoiceField(label="For whom", required=False)
    allows = forms.ChoiceField(
        label="It carries",
        choices=Allows.choices,
        initial=Allows.LINK,
        help_text="A link tells that something waits. A summary tells what is asked, with its amount.",
    )

    def __init__(self, *args: Any, teams: list[tuple[str, str]], is_mail_set_up: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["team"].choices = [MYSELF, *teams]  # type: ignore[attr-defined]
        if not is_mail_set_up:
            self.fields["kind"].choices = [  # type: ignore[attr-defined]
                (kind.value, kind.label) for kind in ADDED if kind is not ChannelKind.EMAIL
            ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind, address = data.get("kind"), data.get("address", "")
        if kind and data.get("allows") == Allows.SUMMARY and not may_summarise(kind):
            self.add_error("allows", "In this installation such a channel carries a link and no more.")
        if kind == ChannelKind.EMAIL:
            data["address"] = ""
            if data.get("team"):
                self.add_error("team", "E-mail goes to people. For a team, connect a room.")
        elif kind and not self.errors.get("address"):
            try:
                addresses.read(kind, address)
            except Invalid as refusal:
                self.add_error("address", refusal.sentence)
        return data


class PreferencesForm(forms.Form):
    """What each channel hears of and may carry, and the person's hours. A choice that was not sent stays as it is."""

    quiet_from = forms.TimeField(label="From", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    quiet_until = forms.TimeField(label="Until", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    escalations_break_quiet = forms.BooleanField(
        label="What is escalated to my team reaches me all the same", required=False
    )
    digest_hours = forms.CharField(
        label="Digest at",
        max_length=80,
        help_text="Full hours from 0 to 23, separated by commas: 9, 15",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(
        self, *args: Any, channels: list[Channel], modes: dict[tuple[UUID, NewsKind], Mode], **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.channels = channels
        for channel in channels:
            for kind in kinds_for(channel):
                self.fields[mode_name(channel, kind)] = forms.ChoiceField(
                    label=kind.label,
                    required=False,
                    choices=[(mode.value, mode.label) for mode in modes_for(channel)],
                    initial=modes[channel.id, kind],
                    widget=_select(f"{where_of(channel)}: {kind.label}"),
                )
            if channel.kind != ChannelKind.IN_APP and (may_summarise(channel.kind) or channel.allows != Allows.LINK):
                self.fields[allows_name(channel)] = forms.ChoiceField(
                    required=False,
                    choices=Allows.choices,
                    initial=channel.allows,
                    widget=_select(f"{where_of(channel)}: carries"),
                )

    def clean_digest_hours(self) -> tuple[int, ...]:
        words = self.cleaned_data["digest_hours"].replace(",", " ").split()
        if not words or any(not word.isascii() or not word.isdigit() or len(word) > 2 for word in words):
            raise forms.ValidationError("Write full hours, such as 9, 15.")
        hours = tuple(int(word) for word in words)
        if max(hours) >= HOURS_A_DAY:
            raise forms.ValidationError("The last full hour of a day is 23.")
        return hours

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("quiet_from"), data.get("quiet_until")
        if (start is None) != (end is None):
            self.add_error("quiet_until" if end is None else "quiet_from", "Quiet hours need a beginning and an end.")
        elif start is not None and start == end:
            self.add_error("quiet_until", "Quiet hours cannot end when they begin.")
        return data

    @property
    def modes(self) -> dict[tuple[str, str], str]:
        """What was chosen, by channel and kind of news."""
        return {
            (_name(channel), kind.value): chosen
            for channel in self.channels
            for kind in kinds_for(channel)
            if (chosen := self.cleaned_data.get(mode_name(channel, kind)))
        }

    @property
    def allows(self) -> dict[str, str]:
        """What was chosen, by channel."""
        return {
            _name(channel): chosen
            for channel in self.channels
            if (chosen := self.cleaned_data.get(allows_name(channel)))
        }

    @property
    def hours(self) -> Hours:
        names = ("quiet_from", "quiet_until", "escalations_break_quiet", "digest_hours")
        return Hours(**{name: self.cleaned_data[name] for name in names})


def where_of(channel: Channel) -> str:
    """What a person calls the channel: "Slack (hooks.slack.com), Finance approvers"."""
    return f"{channel}, {channel.team}" if channel.team else str(channel)


def _select(label: str) -> forms.Select:
    """In the table a choice is named by its row and its column."""
    return forms.Select(attrs={"class": "input", "aria-label": label})


def mode_name(channel: Channel, kind: NewsKind) -> str:
    return f"mode-{_name(channel)}-{kind.value}"


def allows_name(channel: Channel) -> str:
    return f"allows-{_name(channel)}"


def _name(channel: Channel) -> str:
    return IN_APP if channel.kind == ChannelKind.IN_APP else str(channel.id)


def spelled(hours: list[int]) -> str:
    """[9, 15] as the form shows it."""
    return ", ".join(str(hour) for hour in hours)


def clock_face(moment: dt.time | None) -> str:
    """As a time input wants it."""
    return f"{moment:%H:%M}" if moment else ""
