from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from iop_clinic.accounts.api import me, tokens

urlpatterns = [
    path("auth/token/", tokens.Token.as_view(), name="token"),
    path("auth/tokens/", tokens.Tokens.as_view(), name="tokens"),
    path("auth/tokens/<uuid:public_id>/", tokens.TokenDetail.as_view(), name="token-detail"),
    path("me/", me.Me.as_view(), name="me"),
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
