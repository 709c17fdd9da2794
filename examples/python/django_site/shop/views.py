"""An invoice and the task that sends it are written in one transaction."""

import json
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from shop.models import Invoice
from shop.tasks import app, send_invoice


@require_POST
def create(request: HttpRequest) -> JsonResponse:
    try:
        new = json.loads(request.body)
        email, amount = str(new["email"]), int(new["amount"])
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "an email and an amount are needed"}, status=400)
    try:
        with transaction.atomic():
            invoice = Invoice.objects.create(email=email, amount=0)
            handle = send_invoice.with_options(connection=connection).enqueue(invoice.pk)
            # If this fails, neither the invoice nor the task is left.
            invoice.amount = amount
            invoice.save()
    except (DataError, IntegrityError):
        return JsonResponse({"error": "the amount is refused"}, status=422)
    return JsonResponse({"invoice": invoice.pk, "task": str(handle.id)}, status=202)


def task(request: HttpRequest, id: UUID) -> JsonResponse:
    # The task is read first: if it ends between the two reads, the second finds its result.
    waiting = app.backend.queue.get(id)
    found = app.backend.result(id)
    if found is not None:
        error = found.error and found.error.message
        return JsonResponse({"state": found.status, "value": found.value, "error": error})
    if waiting is None:
        raise Http404("no such task")
    return JsonResponse({"state": waiting.state, "value": None, "error": None})
