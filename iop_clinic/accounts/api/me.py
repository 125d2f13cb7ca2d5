"""Who is signed in, where they work and as what."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts.api.fields import PublicId
from iop_clinic.accounts.api.views import Anyone, View
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role


class ClinicOut(serializers.Serializer):
    id = PublicId(source="public_id")
    name = serializers.CharField()
    zone = serializers.CharField(help_text="An IANA name such as America/New_York.")
    role = serializers.ChoiceField(Role.choices)


class MeOut(serializers.Serializer):
    id = PublicId(source="public_id")
    name = serializers.CharField()
    clinics = ClinicOut(many=True)
    current_clinic = PublicId(allow_null=True)


class Me(View):
    needs: ClassVar = {"GET": Anyone}

    @extend_schema(summary="Who is signed in", responses=MeOut)
    def get(self, request: Request) -> Response:
        user, roles = self.user, self.user.scope.roles
        clinics = list(Clinic.objects.filter(pk__in=roles).order_by("name", "id"))
        current = [c.public_id for c in clinics if c.pk == user.working_clinic_id]
        body = {
            "public_id": user.public_id,
            "name": str(user),
            "clinics": [
                {"public_id": c.public_id, "name": c.name, "zone": c.zone, "role": roles[c.pk]}
                for c in clinics
            ],
            "current_clinic": current[0] if current else None,
        }
        return Response(MeOut(body).data)
