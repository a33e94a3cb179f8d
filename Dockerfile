# Potluck in a container: docker build -t potluck . ; compose.yaml runs it beside PostgreSQL. docs/operating.md has more.
FROM python:3.13-slim AS build
WORKDIR /src
# What is installed changes less often than the program: so it comes first, and is taken from the cache.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /opt/potluck && mkdir bot adapters migrations \
    && /opt/potluck/bin/pip install --no-cache-dir -c constraints.txt '.[postgres]' \
    && /opt/potluck/bin/pip uninstall --yes --quiet potluck
COPY bot bot
COPY adapters adapters
COPY migrations migrations
RUN /opt/potluck/bin/pip install --no-cache-dir --no-deps -c constraints.txt . \
    && /opt/potluck/bin/python -m compileall -q /opt/potluck/lib

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data potluck && install -d -o potluck -g potluck /data
COPY --from=build /opt/potluck /opt/potluck
# Matplotlib wants to keep what it knows of fonts; beside that nothing is written but to /data.
ENV PATH=/opt/potluck/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    DATABASE_URL=sqlite+aiosqlite:////data/potluck.db \
    WEB_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('WEB_PORT') or 8080}/healthz\", timeout=4)"]
ENTRYPOINT ["potluck"]
CMD ["run"]
