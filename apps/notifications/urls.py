from django.urls import path

from apps.notifications import views

urlpatterns = [
    path("notifications/", views.notifications, name="notifications"),
    path("notifications/read/", views.mark_read, name="notifications-read"),
    path("settings/notifications/", views.notification_settings, name="notification-settings"),
    path("settings/notifications/preferences/", views.change_preferences, name="notification-preferences"),
    path("settings/notifications/channels/", views.add_channel, name="notification-channels"),
    path(
        "settings/notifications/channels/<uuid:channel_id>/test/", views.try_channel, name="notification-channel-test"
    ),
    path(
        "settings/notifications/channels/<uuid:channel_id>/retry/",
        views.retry_channel,
        name="notification-channel-retry",
    ),
    path(
        "settings/notifications/channels/<uuid:channel_id>/switch/",
        views.switch_channel,
        name="notification-channel-switch",
    ),
    path(
        "settings/notifications/channels/<uuid:channel_id>/remove/",
        views.remove_channel,
        name="notification-channel-remove",
    ),
]
