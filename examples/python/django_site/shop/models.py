"""The tables of the shop."""

from django.db import models


class Invoice(models.Model):
    email = models.EmailField()
    amount = models.PositiveIntegerField()
    sent = models.BooleanField(default=False)
