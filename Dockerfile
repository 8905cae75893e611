# syntax=docker/dockerfile:1
# One image for all parts: `roost controller`, `roost speaker --kubernetes`. MetalLB's manifests call /controller and
# /speaker; both are there, so that they need another image name and nothing else.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /opt/roost \
    && /opt/roost/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/roost/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/roost/bin/pip uninstall -y pip setuptools

FROM python:3.11-slim-bookworm
COPY --from=build /opt/roost /opt/roost
COPY --chmod=0755 deploy/image/controller /controller
COPY --chmod=0755 deploy/image/speaker /speaker
ENV PATH=/opt/roost/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
ENTRYPOINT ["roost"]
