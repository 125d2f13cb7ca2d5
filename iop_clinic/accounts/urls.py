"""Pages under /account/. Names are global: the admin's login page looks for one of them."""

from django.urls import path

from iop_clinic.accounts import pages

urlpatterns = [
    path("reset/", pages.ResetRequestPage.as_view(), name="account-reset"),
    path("reset/sent/", pages.ResetSentPage.as_view(), name="password_reset_sent"),
    path(
        "set-password/<uuid:uidb64>/<token>/",
        pages.SetPasswordPage.as_view(),
        name="set_password",
    ),
    path("password-set/", pages.PasswordSetPage.as_view(), name="password_set"),
]
