from django.urls import path

from scheduling.api import groups, patients

urlpatterns = [
    path("groups/", groups.Groups.as_view(), name="groups"),
    path("groups/<uuid:public_id>/", groups.GroupDetail.as_view(), name="group-detail"),
    path("patients/", patients.Patients.as_view(), name="patients"),
    path("patients/search/", patients.PatientSearch.as_view(), name="patient-search"),
    path("patients/<uuid:public_id>/", patients.PatientDetail.as_view(), name="patient-detail"),
]
