from django.urls import path

from apps.runs import views

urlpatterns = [
    path("runs/", views.run_list, name="runs"),
    path("runs/<uuid:run_id>/", views.run, name="run"),
    path("runs/<uuid:run_id>/story.txt", views.story_text, name="run-story-text"),
    path("runs/<uuid:run_id>/extend/", views.extend_run, name="run-extend"),
]
