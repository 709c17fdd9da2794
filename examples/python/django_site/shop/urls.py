"""The pages."""

from django.urls import path

from shop import views

urlpatterns = [path("invoices", views.create), path("tasks/<uuid:id>", views.task)]
