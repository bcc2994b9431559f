"""My notices, and what I want to hear of: two pages, and the acts on them."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Invalid
from apps.core.htmx import page_or_part
from apps.notifications import services
from apps.notifications.forms import ReadForm, SwitchForm
from apps.notifications.pages import channel_form_for, notices_for, preferences_form_for, settings_for

LIST, SETTINGS = "notifications", "notification-settings"


@require_safe
def notifications(request: HttpRequest) -> HttpResponse:
    """What I was told, newest first."""
    person_of(request)
    context = {"list": notices_for(actor_of(request), cursor=request.GET.get("after"))}
    return page_or_part(request, "notifications/list.html", "notifications/_rows.html", context)


@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    """Mark everything that was on the page, and what is older, as read."""
    person_of(request)
    form = ReadForm(request.POST)
    if not form.is_valid():
        raise Invalid("notification.bad_notice", "Say up to which notice you have read.")
    services.mark_seen(actor=actor_of(request), through=form.cleaned_data["through"])
    return redirect(LIST)


@require_safe
def notification_settings(request: HttpRequest) -> HttpResponse:
    """My channels, what each hears of, and when."""
    return render(request, "notifications/settings.html", settings_for(actor_of(request), person_of(request)))


@require_POST
def change_preferences(request: HttpRequest) -> HttpResponse:
    """Save what each channel hears of, what it may carry, and my hours."""
    person, actor = person_of(request), actor_of(request)
    form = preferences_form_for(actor, request.POST)
    if not form.is_valid():
        context = settings_for(actor, person, preferences_form=form)
        return render(request, "notifications/settings.html", context, status=422)
    services.change_preferences(actor=actor, modes=form.modes, allows=form.allows, hours=form.hours)
    messages.success(request, "Saved what you hear of, and when.")
    return redirect(SETTINGS)


@require_POST
def add_channel(request: HttpRequest) -> HttpResponse:
    """Connect a channel; a test message goes out at once."""
    person, actor = person_of(request), actor_of(request)
    form = channel_form_for(actor, request.POST)
    if not form.is_valid():
        context = settings_for(actor, person, channel_form=form)
        return render(request, "notifications/settings.html", context, status=422)
    channel = services.add_channel(actor=actor, **form.cleaned_data)
    messages.success(request, f"Added {channel}. A test message is on its way.")
    return redirect(SETTINGS)


@require_POST
def try_channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Send a test message."""
    person_of(request)
    channel = services.try_channel(actor=actor_of(request), channel_id=channel_id)
    messages.success(request, f"{channel}: a test message is on its way.")
    return redirect(SETTINGS)


@require_POST
def retry_channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Try again what could not be delivered."""
    person_of(request)
    count = services.retry_channel(actor=actor_of(request), channel_id=channel_id)
    messages.success(request, f"Trying again: {count} message{'' if count == 1 else 's'}.")
    return redirect(SETTINGS)


@require_POST
def switch_channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Switch a channel off, or on again."""
    person_of(request)
    form = SwitchForm(request.POST)
    form.is_valid()
    is_on = form.cleaned_data["is_on"]
    channel = services.switch_channel(actor=actor_of(request), channel_id=channel_id, is_on=is_on)
    messages.success(request, f"{channel} is switched {'on' if is_on else 'off'}.")
    return redirect(SETTINGS)


@require_POST
def remove_channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Forget a channel and its address."""
    person_of(request)
    services.remove_channel(actor=actor_of(request), channel_id=channel_id)
    messages.success(request, "Removed the channel and forgot its address.")
    return redirect(SETTINGS)
