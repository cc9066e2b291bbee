# One image for the API, the workers and the mock posting service of docker-compose.yml.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/venv/bin:$PATH
WORKDIR /app

# Before the code: a change of the code does not install everything again.
COPY requirements/base.txt requirements/dashboard.txt requirements/mock.txt requirements/
RUN python -m venv /venv \
 && pip install --no-cache-dir --quiet -r requirements/mock.txt \
 && pip install --no-cache-dir --quiet --no-deps -r requirements/dashboard.txt

COPY . .
# The root file system is read-only when it runs: what Python would write beside the code is written now.
RUN python -m compileall -q txn ops wsgi.py \
 && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin txn \
 && install -d -o txn -g txn /data

USER txn
