# One image for every service of docker-compose.yml. Build: docker compose build
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/restock/var/airflow \
    PYTHONPATH=/opt/restock
WORKDIR /opt/restock

COPY requirements-setup.txt requirements-docker.txt ./
RUN pip install --no-cache-dir -r requirements-setup.txt \
 && uv pip sync --system --no-cache --compile-bytecode requirements-setup.txt requirements-docker.txt

COPY pyproject.toml ./
COPY include include
COPY sql sql
COPY plugins plugins
COPY dags dags
RUN uv pip install --system --no-cache --no-deps -e . \
 && useradd --create-home restock \
 && mkdir -p var/airflow var/logs \
 && chown -R restock:restock var

USER restock
VOLUME /opt/restock/var
