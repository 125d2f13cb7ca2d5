"""Getting a token, seeing one's devices, revoking one (a lost tablet)."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from iop_clinic.accounts import devices
from iop_clinic.accounts.api.authentication import TokenAuthentication
from iop_clinic.accounts.api.fields import Instant, PublicId, Strict, Text, Zone
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.api.throttles import PasswordAttempts
from iop_clinic.accounts.api.views import Anyone, PageQuery, View
from iop_clinic.accounts.models import Device, User

UTC = ZoneInfo("UTC")


class Credentials(Strict):
    username = Text(max_length=254, help_text="The email address.")
    password = Text(max_length=1000, trim_whitespace=False)
    otp = Text(max_length=20, required=False, allow_blank=True, help_text="Ignored for now.")
    device = Text(max_length=80, required=False, allow_blank=True, default="")


class NewToken(serializers.Serializer):
    token = serializers.CharField()
    expires_at = Instant()
    zone = Zone(help_text="Of the clinic where the person works; without one, UTC.")


class DeviceOut(serializers.Serializer):
    id = PublicId(source="public_id")
    device = serializers.CharField(source="name")
    created_at = Instant(source="created")
    last_used_at = Instant()
    expires_at = Instant(source="expiry")
    zone = Zone(help_text="Of the clinic where the person works; without one, UTC.")
    current = serializers.SerializerMethodField(help_text="The device that asks.")

    def get_current(self, device: Device) -> bool:
        return device == self.context["current"]


def zone_of(user: User) -> ZoneInfo:
    """Where a person works, for times that belong to no clinic."""
    current = user.working_clinic()
    return current.tz if current else UTC


class Token(View):
    authentication_classes = (TokenAuthentication,)
    needs: ClassVar = {"POST": Anyone, "DELETE": Anyone}

    def get_authenticators(self) -> list[Any]:
        # A dead token in the header must not keep anyone from getting a new one.
        return [] if self.signing_in else super().get_authenticators()

    def get_permissions(self) -> Any:
        return [AllowAny()] if self.signing_in else super().get_permissions()

    @property
    def signing_in(self) -> bool:
        return getattr(self.request, "method", None) == "POST"

    @extend_schema(
        summary="Get a token",
        auth=[],
        request=Credentials,
        responses={201: NewToken},
    )
    def post(self, request: Request) -> Response:
        """The same 401 for an unknown name and a wrong password; 429 after too many attempts."""
        given = self.body(Credentials)
        attempts = PasswordAttempts(request, given["username"])
        attempts.count()
        user = authenticate(username=given["username"], password=given["password"])
        if not isinstance(user, User):
            raise Problem(
                401,
                "invalid_credentials",
                "The name or the password is wrong.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        attempts.forgive()
        device, token = devices.sign_in(device=given["device"], by=user)
        body = NewToken(
            {"token": token, "expires_at": device.expiry}, context={"zone": zone_of(user)}
        )
        return Response(
            body.data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"}
        )

    @extend_schema(summary="Revoke this token", responses={204: None})
    def delete(self, request: Request) -> Response:
        assert isinstance(request.auth, Device)
        devices.sign_out(device=request.auth, by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Tokens(View):
    needs: ClassVar = {"GET": Anyone}
    queries: ClassVar = {"GET": PageQuery}

    @extend_schema(summary="Own devices", responses=DeviceOut(many=True))
    def get(self, request: Request) -> Response:
        own = Device.objects.filter(user=self.user).order_by("-created", "id")
        return self.pages(own, DeviceOut, zone=zone_of(self.user), current=request.auth)


class TokenDetail(View):
    needs: ClassVar = {"DELETE": Anyone}

    @extend_schema(summary="Revoke a device's token", responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        device = self.one(Device.objects.filter(user=self.user), public_id)
        devices.sign_out(device=device, by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
