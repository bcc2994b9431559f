from django.urls import path

from apps.retention import views

urlpatterns = [
    path("retention/", views.retention, name="retention"),
    path("retention/<uuid:rule_id>/end/", views.end_rule, name="retention-rule-end"),
    path("retention/holds/", views.place_hold, name="legal-holds"),
    path("retention/holds/<uuid:hold_id>/lift/", views.lift_hold, name="legal-hold-lift"),
    path("runs/<uuid:run_id>/erase/", views.erase_run, name="run-erase"),
]
