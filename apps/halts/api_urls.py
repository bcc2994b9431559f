from django.urls import path

from apps.halts import api

urlpatterns = [
    path("halts", api.Halts.as_view(), name="api-halts"),
    path("halts/<uuid:halt_id>", api.HaltDetail.as_view(), name="api-halt"),
    path("halts/<uuid:halt_id>/lift", api.HaltLift.as_view(), name="api-halt-lift"),
]
