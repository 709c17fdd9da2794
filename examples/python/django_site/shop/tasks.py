"""The shop's tasks. They are plain functions that use the ORM; workers run them in threads."""

from collections.abc import Iterator

from django.conf import settings
from django.db import close_old_connections

from omniq import Context, OmniQ

app = OmniQ(settings.OMNIQ_URL)


@app.middleware
def connections(context: Context) -> Iterator[None]:
    # As Django does around a request: a connection that broke or is too old is not used again.
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@app.task(max_retries=5)
def send_invoice(id: int) -> str:
    from shop.models import Invoice

    invoice = Invoice.objects.get(pk=id)
    # Send the e-mail here.
    invoice.sent = True
    invoice.save(update_fields=["sent"])
    return f"invoice {id} sent to {invoice.email}"
