"""``python manage.py worker``: runs the shop's tasks until Ctrl-C or SIGTERM."""

from typing import Any

from django.core.management.base import BaseCommand

from shop.tasks import app


class Command(BaseCommand):
    help = "Runs the tasks of the shop"

    def handle(self, *args: Any, **options: Any) -> None:
        app.run_worker()
