"""The admin site of the ground floor: sign-in, the clinic, its staff and their credentials."""

from django.contrib import admin
from django.contrib.auth.models import Group as UnusedGroup

from iop_clinic.accounts.admin import clinics, staff
from iop_clinic.accounts.admin.login import LoginForm

__all__ = ["clinics", "staff"]

admin.site.login_form = LoginForm
admin.site.unregister(UnusedGroup)  # what a role may do stands in roles.py
