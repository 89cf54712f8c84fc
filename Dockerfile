# Two stages: wheels are installed with their hashes in the first, the second has no compiler
# and runs as an ordinary user.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gettext
COPY requirements.txt .
COPY locale /locale
RUN for po in /locale/*/LC_MESSAGES/django.po; do msgfmt -o "${po%.po}.mo" "$po"; done
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /portal portal \
    && install -d -o portal -g portal /data/keys /data/uploads /data/heads
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/portal/staticfiles KEY_STORE_DIR=/data/keys UPLOAD_DIR=/data/uploads
WORKDIR /portal
COPY --from=build /venv /venv
COPY . .
COPY --from=build /locale /portal/locale
# Static files are the same everywhere: they need no secret, only settings that load.
RUN PORTAL_ROLE=owner PORTAL_URL=https://build.invalid SECRET_KEY=build REDIS_URL=redis://build.invalid \
    DATABASE_URL_OWNER=postgresql://build.invalid/build DEFAULT_FROM_EMAIL=build@build.invalid \
    sh -c 'python manage.py collectstatic --noinput && python manage.py write_failure_page'
USER portal
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--no-ws", "--no-access-log", "--blocking-threads", "8", "--host", "0.0.0.0", "--port", "8000", "breachportal.wsgi:application"]
