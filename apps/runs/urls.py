from django.urls import path

from apps.runs import views, views_compare

urlpatterns = [
    path("runs/", views.run_list, name="runs"),
    path("runs/export.<str:format>", views.run_export, name="run-export"),
    path("runs/compare/", views_compare.compare, name="run-compare"),
    path("runs/<uuid:run_id>/", views.run, name="run"),
    path("runs/<uuid:run_id>/story.txt", views.story_text, name="run-story-text"),
    path("runs/<uuid:run_id>/timeline.json", views.timeline_feed, name="run-feed"),
    path("runs/<uuid:run_id>/timeline-file.<str:format>", views.timeline_file, name="run-timeline-file"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/", views.step, name="run-step"),
    path("runs/<uuid:run_id>/extend/", views.extend_run, name="run-extend"),
]
