from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from iop_clinic import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]

if settings.MODE == "demo":
    urlpatterns += [path("", include("iop_clinic.mailbox"))]
