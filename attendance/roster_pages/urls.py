"""Pages under /roster/: for whoever records attendance, on a phone, a tablet or paper."""

from django.urls import path

from attendance.api import urls as api_urls  # noqa: F401  (registers the date converter)
from attendance.roster_pages import views

app_name = "roster"
urlpatterns = [
    path("", views.RosterList.as_view(), name="list"),
    path("change-over/", views.ChangeOver.as_view(), name="change-over"),
    path("groups/<uuid:group>/<date:date>/", views.DaySheet.as_view(), name="day"),
    path(
        "groups/<uuid:group>/<date:date>/sign-in/",
        views.DaySignIn.as_view(),
        name="day-sign-in",
    ),
    path("sessions/<uuid:session>/", views.SessionSheet.as_view(), name="session"),
    path(
        "sessions/<uuid:session>/sign-in/",
        views.SessionSignIn.as_view(),
        name="session-sign-in",
    ),
]
