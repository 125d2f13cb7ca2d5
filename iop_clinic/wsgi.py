import logging
import os

from django.core.wsgi import get_wsgi_application

from iop_clinic.logs import WithoutSecrets

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iop_clinic.settings")
application = get_wsgi_application()

# gunicorn names the path of a request that it could not handle, and in an access log each of them.
for name in ("gunicorn.error", "gunicorn.access"):
    logging.getLogger(name).addFilter(WithoutSecrets())
