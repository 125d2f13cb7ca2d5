from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from attendance.reports import health as jobs_health
from iop_clinic import health
from iop_clinic.accounts.admin.login import awake, change_password, sign_in
from iop_clinic.accounts.admin.searching import Offered
from iop_clinic.accounts.api import problems
from iop_clinic.accounts.api.views import NoSuchPath
from iop_clinic.find import find
from scheduling.feed import feed

api = [
    path("", include("iop_clinic.accounts.api.urls")),
    path("", include("scheduling.api.urls")),
    path("", include("attendance.api.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("account/", include("iop_clinic.accounts.urls")),
    path("admin/find/", admin.site.admin_view(find), name="find"),
    path("admin/awake/", awake),
    path("admin/login/", sign_in),
    path("admin/password_change/", admin.site.admin_view(change_password), name="new-password"),
    path("admin/autocomplete/", admin.site.admin_view(Offered.as_view(admin_site=admin.site))),
    path("admin/", admin.site.urls),
    path("api/v1/", include((api, "api"))),
    re_path(r"^api/", NoSuchPath.as_view()),
    path("calendar/<path:secret>.ics", feed, name="calendar"),
    path("healthz", health.healthz),
    path("healthz/jobs", jobs_health.jobs),
    path("readyz", health.readyz),
    path("roster/", include("attendance.roster_pages.urls")),
]
handler500 = problems.handler500

if settings.MODE == "demo":
    urlpatterns += [path("", include("iop_clinic.mailbox"))]
