from django.urls import path

from insurers.trail_views import trail

urlpatterns = [path("registre/journal/", trail, name="trail")]
